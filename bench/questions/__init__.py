"""Questions to nano that were written by hand, each by somebody who did not see how training asks; nobody trains on them."""

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Asked:
    """A question, the answers that are right, and the turns (question, answer) before it."""

    question: str
    right: tuple[str, ...]
    before: tuple[tuple[str, str], ...] = ()


def _rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines() if line]


def free_wording() -> list[Asked]:
    """Facts that nano knows, asked as many people would."""
    return [Asked(question, (answer,)) for question, answer in _rows("free.tsv")]


def outside() -> list[Asked]:
    """Questions outside nano's world; no answer is right but that it does not know."""
    return [Asked(question, ()) for question, _ in _rows("outside.tsv")]


def follow_ups() -> list[Asked]:
    """Short questions that only make sense after the first."""
    return [Asked(then, (right,), ((first, answer),)) for first, answer, then, right in _rows("followups.tsv")]
