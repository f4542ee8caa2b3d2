"""What a base brings for making voices: questions.jsonl and rehearsal.jsonl.gz."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voicekit.covo.config import REMEDY
from voicekit.errors import BaseModelError
from voicekit.ports import BaseMaterial
from voicekit.records import Question, Turn

QUESTIONS = "questions.jsonl"
REHEARSAL = "rehearsal.jsonl.gz"


def read_material(folder: Path, num_codes: int) -> BaseMaterial:
    """Questions by split and rehearsal dialogues; a file that is not there counts as empty."""
    splits: dict[str, list[Question]] = {"train": [], "dev": [], "test": []}
    for where, row in _rows(folder / QUESTIONS):
        try:
            splits[row["split"]].append(Question(row["text"], row["answer"], row.get("domain", "")))
        except (KeyError, TypeError) as error:
            raise BaseModelError(f"{where} is no question: {error!r}.", REMEDY) from None
    rehearsal: list[tuple[str, tuple[Turn, ...]]] = []
    for where, row in _rows(folder / REHEARSAL):
        try:
            turns = tuple(_turn(turn, num_codes) for turn in row["turns"])
            rehearsal.append((str(row["speaker"]), turns))
        except (KeyError, TypeError, ValueError) as error:
            raise BaseModelError(f"{where} is no dialogue: {error!r}.", REMEDY) from None
    return BaseMaterial(tuple(splits["train"]), tuple(splits["dev"]), tuple(splits["test"]), tuple(rehearsal))


def _turn(row: dict[str, Any], num_codes: int) -> Turn:
    speech = tuple(int(code) for code in row.get("speech", ()))
    if any(not 0 <= code < num_codes for code in speech):
        raise ValueError("a speech code outside the codebook")
    return Turn(str(row["role"]), str(row["text"]), speech=speech)


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file and line, object) of each line."""
    if not file.exists():
        return
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"Line {number} of {file}", json.loads(line)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BaseModelError(f"{file} cannot be read: {error}.", REMEDY) from None
