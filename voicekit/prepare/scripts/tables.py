"""Tables that say what is said in which file: text by name, with the line where it stands.

LJSpeech's metadata.csv (`id|text|normalised`, the normalised text is used), a CSV, TSV or XLSX with a header (a column for the
file and one for the text, in any order among others; comma, semicolon, tab or bar), a metadata.jsonl of Hugging Face's
audiofolder, and lines that begin with a recording's name.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from voicekit.errors import ScriptError
from voicekit.prepare.scripts.names import Names
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.sheets import sheet_rows
from voicekit.prepare.spoken import normalise

SUFFIXES = (".csv", ".tsv", ".xlsx", ".jsonl")
FILE_COLUMNS = ("file", "path", "filename", "file_name", "audio", "audio_file", "wav", "clip", "id", "name")
TEXT_COLUMNS = (
    "normalized_text",
    "normalised_text",
    "text",
    "transcript",
    "transcription",
    "sentence",
    "normalized",
    "normalised",
)
SHOWN_LINES = 10
HELP = (
    'Give a table with a header "file,text", LJSpeech\'s metadata.csv (id|text|normalised), subtitles (srt, vtt) or a TextGrid '
    "for a long recording, or a .txt beside each recording with the same name."
)

Cells = Sequence[tuple[int, Sequence[str]]]  # (line or row number, its cells)


@dataclass(frozen=True)
class Said:
    """One line of a table: `where` it stands ("s.csv, line 3"), the file as it is written there, its text."""

    where: str
    name: str
    text: str


def read_table(table: Path, names: Names) -> list[Said]:
    """What a table says of each file it names; `names` tell a table without a header from something else.

    Raises ScriptError naming the file, and the line where there is one.
    """
    match table.suffix.lower():
        case ".xlsx":
            rows = sheet_rows(table)
            if not rows:
                raise ScriptError(f"The script {table.name} is empty.", HELP)
            return _of_rows(table, rows, names, "row", "\t") or _not_a_table(table, rows[0][1])
        case ".jsonl":
            return _of_objects(table)
        case _:
            return _of_text(table, names)


def looks_like_table(path: Path, names: Names) -> bool:
    """Whether the first line of a text begins with a recording's name and a sign."""
    first = next((line for line in read_text(path).split("\n") if line.strip()), "")
    return any(sign in first and names.find(first.split(sign)[0], path.name) for sign in "|\t;,")


def _of_text(table: Path, names: Names) -> list[Said]:
    content = read_text(table)
    lines = [(number, line) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    if not lines:
        raise ScriptError(f"The script {table.name} is empty.", HELP)
    sign = _delimiter([line for _, line in lines])
    rows = _split(table, content, sign)
    said = _of_rows(table, rows, names, "line", sign)
    if said is None and names.find(lines[0][1].split()[0], table.name):
        said = _cells(table, [(number, line.split(maxsplit=1)) for number, line in lines], 0, [1], "line")
    return said or _not_a_table(table, rows[0][1] if rows else [])


def _split(table: Path, content: str, sign: str) -> Cells:
    reader = csv.reader(
        io.StringIO(content, newline=""), delimiter=sign, quoting=csv.QUOTE_NONE if sign == "|" else csv.QUOTE_MINIMAL
    )
    rows: list[tuple[int, Sequence[str]]] = []
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ScriptError(f"{table.name}, line {reader.line_num}: {error}.", HELP) from None
    return rows


def _of_rows(table: Path, rows: Cells, names: Names, unit: str, sign: str) -> list[Said] | None:
    """None if the rows are no table of files and texts."""
    if not rows:
        return None
    header = [cell.strip().lower() for cell in rows[0][1]]
    file_column, text_column = _column(header, FILE_COLUMNS), _column(header, TEXT_COLUMNS)
    if file_column is not None and text_column is not None:
        body = [(number, _joined(row, len(header), sign)) for number, row in rows[1:]]
        if not body:
            raise ScriptError(f"The script {table.name} has a header and nothing below it.", "Give a line for each recording.")
        return _cells(table, body, file_column, [text_column], unit)
    if sign == "|" and len(header) >= 2:
        return _cells(table, rows, 0, [2, 1], unit)
    if len(header) >= 2 and names.find(rows[0][1][0], table.name):
        return _cells(table, [(number, _joined(row, 2, sign)) for number, row in rows], 0, [1], unit)
    return None


def _not_a_table(table: Path, first: Sequence[str]) -> list[Said]:
    columns = ", ".join(first[:6])[:200]
    raise ScriptError(f"The script {table.name} has no column for the file and one for the text; it has: {columns}.", HELP)


def _of_objects(table: Path) -> list[Said]:
    said: list[Said] = []
    for number, line in enumerate(read_text(table).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{table.name}, line {number}"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise ScriptError(f"{where}: it is not JSON.", "Write one JSON object a line.") from None
        if not isinstance(found, dict):
            raise ScriptError(f"{where}: it is not a JSON object.", 'Write one a line: {"file_name": ..., "text": ...}.')
        fields = {key.strip().lower(): value for key, value in cast("dict[str, Any]", found).items()}
        name = next((fields[key] for key in FILE_COLUMNS if isinstance(fields.get(key), str)), "")
        text = next((fields[key] for key in TEXT_COLUMNS if isinstance(fields.get(key), str)), None)
        if not name.strip() or text is None:
            raise ScriptError(f'{where}: it has no "file_name" or no "text".', "Complete it.")
        said.append(Said(where, name.strip(), normalise(text)))
    if not said:
        raise ScriptError(f"The script {table.name} is empty.", HELP)
    return said


def _joined(row: Sequence[str], width: int, sign: str) -> Sequence[str]:
    """A row of more cells than columns, with unquoted commas in its last one put together again."""
    return row if sign == "\t" or len(row) <= width else [*row[: width - 1], sign.join(row[width - 1 :])]


def _cells(table: Path, rows: Cells, file_column: int, text_columns: Sequence[int], unit: str) -> list[Said]:
    """File and the first text column that is filled, of each row."""
    found: list[Said] = []
    faulty: list[tuple[int, Sequence[str]]] = []
    for number, row in rows:
        texts = [normalise(row[c]) for c in text_columns if c < len(row)]
        if file_column >= len(row) or not row[file_column].strip() or not texts:
            faulty.append((number, row))
            continue
        found.append(Said(f"{table.name}, {unit} {number}", row[file_column].strip(), next((t for t in texts if t), "")))
    if faulty:
        (number, row), others = faulty[0], ", ".join(str(n) for n, _ in faulty[1 : SHOWN_LINES + 1])
        rest = f" Likewise {unit} {others}{', ...' if len(faulty) > SHOWN_LINES + 1 else ''}." if others else ""
        said = f"{table.name}, {unit} {number} has no file or no text: {' | '.join(row)[:120]}.{rest}"
        raise ScriptError(said, "Complete or remove it." if not rest else f"Complete or remove them ({len(faulty)} in all).")
    return found


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that cuts the first line, and the next ones most evenly; a bar that cuts all of them alike, before others."""
    sample = lines[:20]

    def evenness(sign: str) -> tuple[bool, int, int]:
        counts = [line.count(sign) for line in sample]
        return counts[0] > 0, -(max(counts) - min(counts)), counts[0]

    bars = {line.count("|") for line in lines}
    return "|" if len(bars) == 1 and bars != {0} else max("|\t;,", key=evenness)
