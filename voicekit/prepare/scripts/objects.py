"""JSON about recordings: an object a line or a list of them (NeMo, Hugging Face, lhotse), objects by name (SpeechBrain,
M-AILABS), or tasks (Label Studio)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
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
from voicekit.prepare.scripts.names import Names, Numbers
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.row import HELP, NoTableError, ScriptRow
from voicekit.prepare.spoken import joined, normalise

_TEXTS = (*TEXT_COLUMNS, "clean", "original", "body")
_IN_PIECES = ("words", "items", "word_segments", "tokens")
"""Where recognizers say the same again, word by word."""


def read_objects(table: Path, names: Names) -> list[ScriptRow]:
    """A row for each object, or for each of its stretches. Raises NoTableError for JSON about something else, ScriptError naming
    the line of what is broken."""
    found: list[ScriptRow] = []
    known = False
    try:
        for where, name, fields in _objects(table, names):
            found += _rows(where, name, fields, names)
            known = known or names.knows(found[-1].name)
    except ScriptError as error:
        if known:
            raise
        raise NoTableError(error.problem, error.remedy) from None
    if not found:
        empty = not read_text(table).strip(" \n[]{}")
        what = f"The script {table.name} is empty." if empty else _elsewhere(table)
        raise NoTableError(what, HELP)
    return found


def _elsewhere(table: Path) -> str:
    return f"{table.name} is JSON about something else than recordings and their texts."


def load_json(path: Path) -> Any:
    """The JSON in a file; None if it is none as a whole (a line may be)."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError):
        return None


def text_in(path: Path) -> str:
    """What JSON that a recognizer leaves beside one recording says: the text of its outermost object that has one, or those of
    its parts in order; "" for other JSON."""
    try:
        return _text_of(load_json(path))
    except RecursionError:
        return ""


def _text_of(value: Any) -> str:
    if isinstance(value, list):
        return joined(filter(None, map(_text_of, cast("list[Any]", value))))
    if not isinstance(value, dict):
        return ""
    fields = {key.lower(): inside for key, inside in cast("dict[str, Any]", value).items()}
    own = next((fields[key] for key in _TEXTS if isinstance(fields.get(key), str)), None)
    if own is not None:
        return normalise(own)
    if isinstance(guesses := fields.get("alternatives"), list) and guesses:
        return _text_of(guesses[0])  # the likeliest
    parts = (inside for key, inside in fields.items() if key not in _IN_PIECES)
    return next((text for part in parts if (text := _text_of(part))), "")


def _objects(table: Path, names: Names) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(where, name if that stands outside, fields) of each."""
    content = read_text(table)
    whole = load_json(table) if table.suffix.lower() == ".json" else None
    if isinstance(whole, dict) and not _has_text(cast("dict[str, Any]", whole)):
        yield from _of_object(table, cast("dict[str, Any]", whole), names)
        return
    if isinstance(whole, dict):
        yield f"{table.name}, line 1", "", _fields(whole, table.name)
        return
    if isinstance(whole, list):
        yield from _of_list(table, cast("list[Any]", whole))
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


def _of_list(table: Path, entries: Sequence[Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The entries of a list: objects, or pairs of a name and a text."""
    for number, entry in enumerate(entries, 1):
        where = f"{table.name}, entry {number}"
        if isinstance(entry, list) and [type(part) for part in cast("list[object]", entry)] == [str, str]:
            yield where, entry[0], {"text": entry[1]}
        else:
            yield where, "", _fields(entry, where)


def _of_object(table: Path, whole: dict[str, Any], names: Names) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What stands in an object by the recordings' names, there or further inside; else the entries of its list."""
    if any(names.knows(name) for name in whole):
        for name, entry in whole.items():
            where = f"{table.name}, {name!r}"
            if isinstance(entry, str):
                yield where, name, {"text": entry}
            elif isinstance(entry, dict):
                yield where, name, _fields(entry, where)
            elif isinstance(entry, list) and names.knows(name):
                yield where, name, {"segments": entry}
        return
    nested = [cast("dict[str, Any]", inside) for inside in whole.values() if isinstance(inside, dict)]
    inside = next((one for one in nested if any(names.knows(name) for name in one)), None)
    if inside is not None:
        yield from _of_object(table, inside, names)
        return
    lists = [cast("list[Any]", inside) for inside in whole.values() if isinstance(inside, list)]
    listed = max((one for one in lists if one and isinstance(one[0], dict | list)), key=len, default=None)
    if listed is not None:
        yield from _of_list(table, listed)
    elif whole and all(isinstance(entry, str | dict) for entry in whole.values()) and not isinstance(names, Numbers):
        for name, entry in whole.items():
            yield f"{table.name}, {name!r}", name, {"text": entry} if isinstance(entry, str) else _fields(entry, name)
    else:
        raise NoTableError(_elsewhere(table), HELP)


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
    return _of_task(fields) if {"data", "annotations"} <= fields.keys() else fields


def _of_task(task: dict[str, Any]) -> dict[str, Any]:
    """Of Label Studio's task: the recording and the texts of the first annotation that was not cancelled; stretches where each
    has its times. Several labels of stretches are their speakers."""
    data, annotations = task["data"], task["annotations"]
    if not isinstance(data, dict):
        return task
    found = {key: value for key, value in cast("dict[str, Any]", data).items() if key.lower() in FILE_COLUMNS}
    made = [annotation for annotation in _dicts(annotations) if not annotation.get("was_cancelled")]
    regions: dict[str, dict[str, Any]] = {}
    for part in _dicts(made[0].get("result")) if made else ():
        value = part.get("value")
        if isinstance(value, dict):
            regions.setdefault(str(part.get("id")), {}).update(_region(cast("dict[str, Any]", value)))
    said = [region for region in regions.values() if "text" in region]
    if len({region.get("speaker") for region in said}) < 2:
        said = [{key: value for key, value in region.items() if key != "speaker"} for region in said]
    if said and all("start" in region and "end" in region for region in said):
        return {**found, "segments": sorted(said, key=lambda region: region["start"])}
    return {**found, "text": joined(region["text"] for region in said)} if said else found


def _region(value: dict[str, Any]) -> dict[str, Any]:
    """Times, text and label of a part of an annotation."""
    found = {key: value[key] for key in ("start", "end") if _number(value, (key,)) is not None}
    if texts := _strings(value.get("text")):
        found["text"] = joined(texts)
    if labels := _strings(value.get("labels")):
        found["speaker"] = labels[0]
    return found


def _strings(value: Any) -> list[str]:
    listed = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]


def _dicts(value: Any) -> list[dict[str, Any]]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", one) for one in listed if isinstance(one, dict)]


def _rows(where: str, outside: str, fields: dict[str, Any], names: Names) -> list[ScriptRow]:
    """The row of an object, or those of the stretches that it lists."""
    called = [str(fields[key]) for key in FILE_COLUMNS if _is_called(fields.get(key))]
    called = [*([outside] if outside else []), *called]
    name = next((n for n in called if names.knows(n)), called[0] if called else "")
    text = next((fields[key] for key in _TEXTS if isinstance(fields.get(key), str)), None)
    if name and text is None and isinstance(listed := fields.get("segments"), list) and listed:
        parts = enumerate(cast("list[Any]", listed), 1)
        inside = (_rows(f"{where}, segment {n}", name, _fields(part, where), names) for n, part in parts)
        return [row for rows in inside for row in rows]
    if not name.strip() or text is None:
        raise ScriptError(f'{where}: it has no "file_name" or no "text".', "Complete it.")
    start_s, end_s, duration_s = (_number(fields, keys) for keys in (START_COLUMNS, END_COLUMNS, DURATION_COLUMNS))
    if start_s is not None and end_s is None and duration_s is not None:
        end_s = start_s + duration_s
    speaker = next((normalise(str(fields[key])) for key in SPEAKER_COLUMNS if _is_called(fields.get(key))), "")
    if start_s is None or end_s is None:
        start_s = end_s = None
    return [ScriptRow(where, name.strip(), normalise(text), start_s, end_s, speaker)]


def _is_called(value: Any) -> bool:
    """Whether a value is a name: words, or a number."""
    return (isinstance(value, str) and bool(value.strip())) or (isinstance(value, int) and not isinstance(value, bool))


def _number(fields: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = fields.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return value / 1000 if key.endswith("_ms") else float(value)
            except OverflowError:
                return math.inf
    return None
