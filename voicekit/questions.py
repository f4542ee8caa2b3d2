"""A user's own test questions: a .jsonl or .csv file with `text`, `answer` and, if wanted, `domain`."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import cast

from voicekit.errors import InputError
from voicekit.records import Question

_REMEDY = 'Give a .jsonl file with one {"text": ..., "answer": ...} a line, or a .csv file with the header text,answer.'


def read_questions(path: Path) -> tuple[Question, ...]:
    """All questions of a file, in order; InputError names the line that cannot be used."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The questions {path} cannot be read: {error}.", _REMEDY) from None
    rows = _csv_rows(content) if path.suffix.lower() == ".csv" else _json_rows(content, path)
    questions = tuple(_question(row, number, path) for number, row in rows)
    if not questions:
        raise InputError(f"There are no questions in {path}.", _REMEDY)
    return questions


def _csv_rows(content: str) -> list[tuple[int, dict[str, object]]]:
    reader = csv.DictReader(io.StringIO(content), skipinitialspace=True)
    return [(reader.line_num, dict(row)) for row in reader]


def _json_rows(content: str, path: Path) -> list[tuple[int, dict[str, object]]]:
    rows: list[tuple[int, dict[str, object]]] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"Line {number} of {path} is not JSON: {error}.", _REMEDY) from None
        if not isinstance(row, dict):
            raise InputError(f"Line {number} of {path} is not an object.", _REMEDY)
        rows.append((number, cast(dict[str, object], row)))
    return rows


def _question(row: dict[str, object], number: int, path: Path) -> Question:
    text, answer, domain = (_text(row.get(key)) for key in ("text", "answer", "domain"))
    if not text or not answer:
        raise InputError(f"Line {number} of {path} has no {'text' if not text else 'answer'}.", _REMEDY)
    return Question(text, answer, domain)


def _text(value: object) -> str:
    return unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else ""
