"""What a person decided about clips: take it, leave it, what is really said in it, where it is parted, what belongs together.

The decisions are a list that only grows and lies beside the recordings, so that it is part of what a voice is made from:
review.csv in their folder, or `<name>.review` beside a zip or a single file. To undo one is a decision too. They name a
stretch of a recording, not a clip's id: another target loudness does not undo them.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from pathlib import Path

from voicekit import files
from voicekit.errors import ScriptError
from voicekit.prepare.spoken import normalise
from voicekit.records import Clip, Verdict

FILE = "review.csv"
_BESIDE = ".review"
_COLUMNS = ("action", "recording", "start_sample", "num_samples", "at_sample", "text", "made_at")
_FIRST_COLUMNS = ("recording", "start_sample", "num_samples", "verdict", "text")  # before 0.4: what held, one row a clip

Place = tuple[str, int, int]


class Action(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    TEXT = "text"
    SPLIT = "split"
    JOIN = "join"
    REALIGN = "realign"
    RESET = "reset"
    UNDO = "undo"
    REDO = "redo"


@dataclass(frozen=True)
class Decision:
    """About the clip of a place. TEXT: what is said in it; SPLIT: `at_sample` of the recording begins the second part; JOIN: with
    the next clip; REALIGN: by whichever aligner fits best; RESET: the machine's verdict and the script's text. UNDO and REDO are
    about the decision before. `made_at` is for people."""

    action: Action
    recording: str = ""
    start_sample: int = 0
    num_samples: int = 0
    at_sample: int = 0
    text: str = ""
    made_at: str = ""

    @property
    def place(self) -> Place:
        return self.recording, self.start_sample, self.num_samples


def place_of(clip: Clip) -> Place:
    return clip.recording, clip.start_sample, clip.num_samples


def log_of(recordings: Path) -> Path:
    """Where the decisions about a folder of recordings, a zip or a single file lie."""
    return recordings / FILE if recordings.is_dir() else recordings.with_name(recordings.name + _BESIDE)


def read_log(path: Path) -> tuple[Decision, ...]:
    """Every decision in the order in which it was made; () without a file. Raises ScriptError for a file that is no such list."""
    if not path.is_file():
        return ()
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        columns = tuple(rows.fieldnames or ())
        if columns == _COLUMNS:
            return tuple(_decision(row) for row in rows)
        if columns == _FIRST_COLUMNS:
            return tuple(decision for row in rows for decision in _first_decisions(row))
        raise ValueError("it has other columns")
    except (KeyError, TypeError, ValueError) as error:
        raise ScriptError(f"{path} is not a list of decisions: {error}.", f"Its columns are {', '.join(_COLUMNS)}.") from None


def append(path: Path, made: Sequence[Decision]) -> None:
    """Add decisions to a list; a killed process leaves it with or without them, never with half of one."""
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(_COLUMNS)
    rows.writerows(astuple(replace(d, text=normalise(d.text))) for d in [*read_log(path), *made])
    files.write_text(path, out.getvalue())


def effective(log: Sequence[Decision]) -> tuple[Decision, ...]:
    """What holds: the decisions that were not undone, or were done again."""
    return tuple(_folded(log)[0])


def undoable(log: Sequence[Decision]) -> Decision | None:
    """What UNDO would take back."""
    done, _ = _folded(log)
    return done[-1] if done else None


def redoable(log: Sequence[Decision]) -> Decision | None:
    """What REDO would do again: the last undone one, until another decision is made."""
    _, undone = _folded(log)
    return undone[-1] if undone else None


def digest(held: Sequence[Decision]) -> str:
    """Equal for equal decisions, whenever they were made."""
    return hashlib.sha256(repr([astuple(replace(d, made_at="")) for d in held]).encode(errors="surrogatepass")).hexdigest()


def _folded(log: Sequence[Decision]) -> tuple[list[Decision], list[Decision]]:
    done: list[Decision] = []
    undone: list[Decision] = []
    for decision in log:
        match decision.action:
            case Action.UNDO:
                undone.extend([done.pop()] if done else [])
            case Action.REDO:
                done.extend([undone.pop()] if undone else [])
            case _:
                done.append(decision)
                undone.clear()
    return done, undone


def _decision(row: dict[str, str]) -> Decision:
    start, count, at = (int(row[name]) for name in ("start_sample", "num_samples", "at_sample"))
    return Decision(Action(row["action"]), row["recording"], start, count, at, row["text"], row["made_at"])


def _first_decisions(row: dict[str, str]) -> list[Decision]:
    place = row["recording"], int(row["start_sample"]), int(row["num_samples"])
    text = [Decision(Action.TEXT, *place, text=row["text"])] if row["text"] else []
    verdicts = {"": [], Verdict.ACCEPTED.value: [Action.ACCEPT], Verdict.REJECTED.value: [Action.REJECT]}
    if row["verdict"] not in verdicts:
        raise ValueError(f"{row['verdict']!r} is no verdict")
    return [*text, *(Decision(action, *place) for action in verdicts[row["verdict"]])]
