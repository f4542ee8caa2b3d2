"""Records <-> JSON lines. Every frozen dataclass of voicekit.records that holds plain data makes the round trip exactly.

The types decide how a value is read: StrEnum, tuples, nested dataclasses, dict[str, ...], unions with None. An unknown or
missing key is an error, so that a file of another version is never half understood. A number that is not one (NaN) is
written as null. Arrays are not for manifests.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Collection, Iterable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from voicekit import files
from voicekit.errors import InputError

T = TypeVar("T")

_ENCODING = "utf-8"
_ERRORS = "surrogatepass"  # file names on POSIX may hold bytes that are not UTF-8


class _MismatchError(ValueError):
    """The JSON does not fit the record's type."""


def to_json(record: object) -> str:
    """One line of JSON, keys in field order; equal records give equal lines."""
    if not dataclasses.is_dataclass(record) or isinstance(record, type):
        raise TypeError(f"not a record: {record!r}")
    return json.dumps(_plain(record), ensure_ascii=False, allow_nan=False)


def from_json(kind: type[T], text: str) -> T:
    """The record of type `kind` that `text` holds; raises InputError saying which key or value does not fit."""
    try:
        return _build(kind, json.loads(text), kind.__name__)
    except (_MismatchError, json.JSONDecodeError) as error:
        raise InputError(f"This is not a valid {kind.__name__}: {error}.") from None


def write_records(path: Path, records: Iterable[object], flat: Collection[str] = ()) -> None:
    """One record a line, written beside and renamed. The fields of the records in the fields `flat` stand in the line itself."""
    lines = (_flattened(to_json(r), flat) if flat else to_json(r) for r in records)
    files.write_bytes(path, "".join(line + "\n" for line in lines).encode(_ENCODING, _ERRORS))


def append_record(path: Path, record: object) -> None:
    """Add one line to a journal that `read_journal` reads."""
    line = (to_json(record) + "\n").encode(_ENCODING, _ERRORS)
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(_end_of_last_line(file))
            file.seek(0, 2)
            file.write(line)


def read_records(path: Path, kind: type[T], flat: Collection[str] = ()) -> tuple[T, ...]:
    """All records of a file, also of one written without `flat`; raises InputError naming file and line."""
    return tuple(_read_line(path, number, _nested(line, kind, flat), kind) for number, line in _lines(path))


def read_journal(path: Path, kind: type[T]) -> tuple[T, ...]:
    """Like read_records, but a missing file is empty and a last line cut off by a killed process does not count."""
    if not path.exists():
        return ()
    whole = path.read_bytes().endswith(b"\n")
    lines = _lines(path)
    return tuple(_read_line(path, number, line, kind) for number, line in (lines if whole else lines[:-1]))


def write_record(path: Path, record: object) -> None:
    """One record as a readable JSON file."""
    text = json.dumps(json.loads(to_json(record)), ensure_ascii=False, indent=2)
    files.write_bytes(path, (text + "\n").encode(_ENCODING, _ERRORS))


def read_record(path: Path, kind: type[T]) -> T:
    """The record of a file written by write_record."""
    return _read_line(path, 1, _read_text(path), kind)


def _flattened(line: str, fields: Collection[str]) -> str:
    made: dict[str, Any] = {}
    for key, value in json.loads(line).items():
        made.update(value if key in fields else {key: value})
    return json.dumps(made, ensure_ascii=False, allow_nan=False)


def _nested(line: str, kind: type, fields: Collection[str]) -> str:
    try:
        stored = json.loads(line) if fields else None
    except json.JSONDecodeError:
        return line
    if not isinstance(stored, dict):
        return line
    found = cast("dict[str, Any]", stored)
    for field in (f for f in fields if f not in found):
        inner = [f.name for f in dataclasses.fields(_hints(kind)[field]) if f.name in found]
        found[field] = {name: found.pop(name) for name in inner}
    return json.dumps(found)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("tuple[Any, ...]", value)]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Enum):
        return value.value
    return value


def _end_of_last_line(file: typing.BinaryIO) -> int:
    """Byte position after the last newline."""
    position = file.seek(0, 2)
    while position > 0:
        start = max(0, position - 4096)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode(_ENCODING, _ERRORS)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is damaged: it is not UTF-8 text.", "Delete it and run the step again.") from None


def _lines(path: Path) -> list[tuple[int, str]]:
    lines = _read_text(path).split("\n")
    return [(number, line) for number, line in enumerate(lines, 1) if line]


def _read_line(path: Path, number: int, line: str, kind: type[T]) -> T:
    try:
        return from_json(kind, line)
    except InputError as error:
        raise InputError(f"{path}, line {number}: {error.problem}", "Delete the file and run the step again.") from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, value: Any, where: str) -> Any:
    """`value` (as json.loads gave it) as an instance of the type `kind`; `where` names it in errors."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_record(kind, value, where)
    if origin is tuple:
        return _build_tuple(typing.get_args(kind), value, where)
    if origin is dict:
        inner = typing.get_args(kind)[1]
        return {key: _build(inner, item, f"{where}.{key}") for key, item in _object(value, where).items()}
    if origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(kind), value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise _MismatchError(f"{where} is {value!r}, not one of {', '.join(str(k.value) for k in kind)}") from None
    return _build_plain(kind, value, where)


def _build_plain(kind: Any, value: Any, where: str) -> Any:
    if kind is type(None) and value is None:
        return None
    if kind is float and (value is None or type(value) is int):
        return math.nan if value is None else float(value)
    if kind in (str, int, float, bool) and type(value) is kind:
        return value
    raise _MismatchError(f"{where} is {value!r}, not {getattr(kind, '__name__', kind)}")


def _build_record(kind: Any, value: Any, where: str) -> Any:
    given = _object(value, where)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise _MismatchError(f"unknown key {unknown[0]!r} in {where}")
    no_default = dataclasses.MISSING
    missing = [n for n, f in fields.items() if n not in given and f.default is no_default and f.default_factory is no_default]
    if missing:
        raise _MismatchError(f"key {missing[0]!r} is missing in {where}")
    hints = _hints(kind)
    return kind(**{key: _build(hints[key], item, f"{where}.{key}") for key, item in given.items()})


def _build_tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _MismatchError(f"{where} is not a list")
    items = cast("list[Any]", value)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_build(inner[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if len(inner) != len(items):
        raise _MismatchError(f"{where} has {len(items)} items, not {len(inner)}")
    return tuple(_build(k, item, f"{where}[{i}]") for i, (k, item) in enumerate(zip(inner, items, strict=True)))


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _MismatchError(f"{where} is not an object")
    return cast("dict[str, Any]", value)


def _build_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None  # and not a float that is no number
    reasons: list[str] = []
    for choice in choices:
        try:
            return _build(choice, value, where)
        except _MismatchError as error:
            reasons.append(str(error))
    raise _MismatchError("; ".join(reasons))
