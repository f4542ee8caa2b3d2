"""JSON about recordings: an object a line or a list of them (NeMo, Hugging Face, lhotse), or objects by name (SpeechBrain,
M-AILABS)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from voicekit.errors import ScriptError
from voicekit.prepare.scripts.columns import (
    DURATION_COLUMNS,
    END_COLUMNS,
    FILE_COLUMNS,
    SPEAKER_COLUMNS,
    START_COLUMNS,
    TEXT_COLUMNS,
)
from voicekit.prepare.scripts.names import Names
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.row import HELP, NoTableError, ScriptRow
from voicekit.prepare.spoken import normalise

_LISTS = ("data", "utterances", "audios", "items", "samples", "clips", "annotations", "recordings", "supervisions")
_TEXTS = (*TEXT_COLUMNS, "clean", "original")


def read_objects(table: Path, names: Names) -> list[ScriptRow]:
    """A row for each object. Raises NoTableError for JSON about something else, ScriptError naming the line of what is broken."""
    found: list[ScriptRow] = []
    known = False
    try:
        for where, name, fields in _objects(table):
            found.append(_row(where, name, fields, names))
            known = known or names.knows(found[-1].name)
    except ScriptError as error:
        if known:
            raise
        raise NoTableError(error.problem, error.remedy) from None
    if not found:
        raise NoTableError(f"The script {table.name} is empty.", HELP)
    return found


def load_json(path: Path) -> Any:
    """The JSON in a file; None if it is none as a whole (a line may be)."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError):
        return None


def _objects(table: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(where, name if that stands outside, fields) of each."""
    content = read_text(table)
    whole = load_json(table) if table.suffix.lower() == ".json" else None
    if isinstance(whole, dict) and not _has_text(cast("dict[str, Any]", whole)):
        yield from _of_object(table, cast("dict[str, Any]", whole))
        return
    if isinstance(whole, list):
        for number, entry in enumerate(cast("list[Any]", whole), 1):
            yield f"{table.name}, entry {number}", "", _fields(entry, f"{table.name}, entry {number}")
        return
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{table.name}, line {number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise ScriptError(f"{where}: it is not JSON.", "Write one JSON object a line.") from None
        yield where, "", _fields(entry, where)


def _of_object(table: Path, whole: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The entries of a list in an object, or what stands there by name."""
    listed = next((whole[key] for key in _LISTS if isinstance(whole.get(key), list)), None)
    if listed is not None:
        for number, entry in enumerate(cast("list[Any]", listed), 1):
            yield f"{table.name}, entry {number}", "", _fields(entry, f"{table.name}, entry {number}")
        return
    for name, entry in whole.items():
        where = f"{table.name}, {name!r}"
        if isinstance(entry, str):
            yield where, name, {"text": entry}
        elif isinstance(entry, dict):
            yield where, name, _fields(entry, where)
        else:
            raise NoTableError(f"{table.name} is JSON about something else than recordings and their texts.", HELP)


def _has_text(fields: dict[str, Any]) -> bool:
    lowered = {key.lower(): value for key, value in fields.items()}
    return any(isinstance(lowered.get(key), str) for key in _TEXTS) and any(key in lowered for key in FILE_COLUMNS)


def _fields(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ScriptError(f"{where}: it is not a JSON object.", 'Write one a line: {"file_name": ..., "text": ...}.')
    fields = {key.strip().lower(): value for key, value in cast("dict[str, Any]", entry).items()}
    audio = fields.get("audio")
    if isinstance(audio, dict) and isinstance(path := cast("dict[str, Any]", audio).get("path"), str):
        fields["audio"] = path
    return fields


def _row(where: str, outside: str, fields: dict[str, Any], names: Names) -> ScriptRow:
    called = [fields[key] for key in FILE_COLUMNS if isinstance(fields.get(key), str) and fields[key].strip()]
    called = [*([outside] if outside else []), *called]
    name = next((n for n in called if names.knows(n)), called[0] if called else "")
    text = next((fields[key] for key in _TEXTS if isinstance(fields.get(key), str)), None)
    if not name.strip() or text is None:
        raise ScriptError(f'{where}: it has no "file_name" or no "text".', "Complete it.")
    start_s, end_s, duration_s = (_number(fields, keys) for keys in (START_COLUMNS, END_COLUMNS, DURATION_COLUMNS))
    if start_s is not None and end_s is None and duration_s is not None:
        end_s = start_s + duration_s
    speaker = next((normalise(fields[key]) for key in SPEAKER_COLUMNS if isinstance(fields.get(key), str)), "")
    if start_s is None or end_s is None:
        start_s = end_s = None
    return ScriptRow(where, name.strip(), normalise(text), start_s, end_s, speaker)


def _number(fields: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = fields.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value / 1000 if key.endswith("_ms") else float(value)
    return None
