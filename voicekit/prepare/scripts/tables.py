"""Tables that say what is said in which file: text by name, with the line where it stands.

Which column names the files and which holds the texts is told by a header (in any order among others), else by what stands in the
columns: names of recordings here, sentences there. So the tables of LJSpeech, VITS, StyleTTS2, GPT-SoVITS, XTTS, Common Voice and
DeepSpeech are read, separated by comma, semicolon, tab or bar, or as .xlsx; JSON with an object for each file (NeMo, SpeechBrain,
Hugging Face); and lines that begin or end with a recording's name (LibriSpeech, Kaldi, JSUT, Festvox, Sphinx).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare.scripts.columns import FILE_COLUMNS, TEXT_COLUMNS, Columns, are_no_words, columns_of, without_titles
from voicekit.prepare.scripts.names import Names, Numbers
from voicekit.prepare.scripts.objects import read_objects
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.row import HELP, NoTableError, ScriptRow
from voicekit.prepare.scripts.sheets import sheet_rows
from voicekit.prepare.spoken import normalise

__all__ = ["FILE_COLUMNS", "HELP", "TEXT_COLUMNS", "NoTableError", "ScriptRow", "read_table"]

SUFFIXES = (".csv", ".tsv", ".xlsx", ".jsonl", ".json", ".ndjson", ".tab")
SHOWN_LINES = 10
_SIGNS = "|\t;,"
_MOST_LINES_A_CELL = 50
_MOST_TITLE_LINES = 5
_MOST_SAMPLED = 400
_NOT_SCORED = frozenset({"IGNORE_TIME_SEGMENT_IN_SCORING", "inter_segment_gap"})
_LEAST_OF_LINES = 0.5  # of a text's lines must begin with a name for it to be a table without signs

Cells = Sequence[tuple[int, Sequence[str]]]  # (line or row number, its cells)
_FESTVOX = re.compile(r"\(\s*(?P<name>\S+)\s+\"(?P<text>.*)\"\s*\)")  # ( arctic_a0001 "Author of the ..." )
_LINES = (
    _FESTVOX,
    re.compile(r"(?:<s>\s*)?(?P<text>.*?)\s*(?:</s>\s*)?\((?P<name>[^()\s]+)\)"),  # Sphinx: <s> HELLO </s> (a0001)
    re.compile(r"(?P<name>[^\s:]+)\s*[:：]\s*(?P<text>.+)"),  # JSUT: BASIC5000_0001:水を
    re.compile(r"(?P<name>.+?)(?:\s*[:：=]|\s+[-–—])\s+(?P<text>.+)"),  # take 1: Hello
    re.compile(r"(?P<name>\S+?)[.)]?\s+(?P<text>.+)"),  # LibriSpeech, Kaldi: 84-121-0000 GO DO YOU HEAR
    re.compile(r"(?P<name>\S+ \S+?)[.)]?\s+(?P<text>.+)"),
    re.compile(r"(?P<name>\S+)(?P<text>)"),
)  # fmt: skip


def read_table(table: Path, names: Names) -> list[ScriptRow]:
    """What a table says of each file it names; `names` tell which column names files. Where it names none, numbers are read
    without the zeros before them: spreadsheets take those away.

    Raises NoTableError where it is no table of files and texts, and ScriptError naming the file, and the line where there is one.
    """
    try:
        rows = _read(table, names)
    except NoTableError:
        rows = _by_number(table, names)
        if not rows:
            raise
    return rows if any(names.knows(row.name) for row in rows) else _by_number(table, names) or rows


def _by_number(table: Path, names: Names) -> list[ScriptRow]:
    """The rows of a table that calls recordings by their numbers; [] if it does not."""
    try:
        rows = _read(table, Numbers(names))
    except NoTableError:
        return []
    return rows if any(names.knows_number(row.name) for row in rows) else []


def _read(table: Path, names: Names) -> list[ScriptRow]:
    match table.suffix.lower():
        case ".xlsx":
            rows = without_titles(sheet_rows(table), names)
            if not rows:
                raise NoTableError(f"The script {table.name} is empty.", HELP)
            found = columns_of(rows, names, "\t")
            return _cells(table, rows, found, "row", "") if found else _not_a_table(table, rows[0][1])
        case ".jsonl" | ".ndjson" | ".json":
            return read_objects(table, names)
        case ".stm" | ".ctm":
            return _of_nist(table)
        case _:
            return _of_text(table, names)


def _of_nist(table: Path) -> list[ScriptRow]:
    """NIST's segments (file channel speaker start end <labels> text) and words (file channel start duration word confidence)."""
    found: list[ScriptRow] = []
    of_words = table.suffix.lower() == ".ctm"
    for number, line in enumerate(read_text(table).split("\n"), 1):
        fields = line.split()
        if not fields or line.lstrip().startswith(";;"):
            continue
        where = f"{table.name}, line {number}"
        try:
            start_s, second = (float(field) for field in (fields[2:4] if of_words else fields[3:5]))
        except ValueError:
            raise NoTableError(f"{where}: {line.strip()[:60]!r} has no times.", "Write it anew.") from None
        end_s = start_s + second if of_words else second
        rest = fields[4:5] if of_words else fields[5:]
        text = " ".join(rest[1:] if rest and rest[0][:1] == "<" and not of_words else rest)
        if text and text not in _NOT_SCORED:
            found.append(ScriptRow(where, fields[0], normalise(text), start_s, end_s, "" if of_words else fields[2]))
    if not found:
        raise NoTableError(f"The script {table.name} is empty.", HELP)
    return found


def _of_text(table: Path, names: Names) -> list[ScriptRow]:
    content, sign = read_text(table), ""
    lines = [(number, line) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    if lines and (told := re.fullmatch(r"\ufeff?sep=(.)\s*", lines[0][1], re.IGNORECASE)):  # Excel's way of saying it
        sign, lines = told[1], lines[1:]
    lines = lines[next((n for n, (_, line) in enumerate(lines) if not line.startswith("#")), 0) :]
    if not lines:
        raise NoTableError(f"The script {table.name} is empty.", HELP)
    if said := _in_pairs(table, lines, names):
        return said
    guess = _delimiter([line for _, line in lines])
    tried: list[tuple[str, Cells, Columns]] = []
    for candidate in sign or dict.fromkeys((guess, *_SIGNS)):
        rows = without_titles(_split(table, lines, candidate, names), names)
        if (found := columns_of(rows, names, candidate)) is not None:
            tried.append((candidate, rows, found))
            if found.hits:
                break
    best = max(tried, key=lambda t: t[2].hits, default=None)  # the first of equals
    if best is None or not best[2].hits:
        said = _lines(table, lines, names)
        if said:
            return said
    if best is None:
        rows = _split(table, lines[:1], guess, names)
        return _not_a_table(table, rows[0][1] if rows else [])
    return _cells(table, best[1], best[2], "line", best[0])


def _in_pairs(table: Path, lines: Sequence[tuple[int, str]], names: Names) -> list[ScriptRow]:
    """Lines of which every second one says what is said in the recording that the one before names; [] for others."""
    called, said = lines[::2], lines[1::2]
    if len(called) != len(said) or not all(names.knows(name) for _, name in called) or any(names.knows(t) for _, t in said):
        return []
    return [
        ScriptRow(f"{table.name}, line {n}", name.strip(), normalise(t)) for (n, name), (_, t) in zip(called, said, strict=True)
    ]


def _lines(table: Path, lines: Sequence[tuple[int, str]], names: Names) -> list[ScriptRow]:
    """Lines in which a name stands before or behind its text; [] if most do not."""
    best: tuple[int, re.Pattern[str] | None] = (0, None)
    sample = lines[:: max(1, len(lines) // _MOST_SAMPLED)]
    for pattern in _LINES[:-1]:
        hits = sum((m := pattern.fullmatch(line.strip())) is not None and names.knows(m["name"]) for _, line in sample)
        if hits > best[0]:
            best = hits, pattern
    hits, pattern = best
    if pattern is None or hits < _LEAST_OF_LINES * len(sample):
        return []
    found: list[ScriptRow] = []
    for number, line in lines:
        match = pattern.fullmatch(line.strip()) or _LINES[-1].fullmatch(line.strip())
        if match is None and not found and number <= _MOST_TITLE_LINES:
            continue
        if match is None:
            raise ScriptError(
                f"{table.name}, line {number}: there is no name in {line.strip()[:60]!r}.", "Complete or remove it."
            )
        text = match["text"].replace('\\"', '"') if pattern is _FESTVOX else match["text"]
        found.append(ScriptRow(f"{table.name}, line {number}", match["name"], normalise(text)))
    return [] if are_no_words([row.text for row in found if names.knows(row.name)]) else found


def _split(table: Path, lines: Sequence[tuple[int, str]], sign: str, names: Names) -> Cells:
    """The cells of each line. Between bars only whole columns are quoted, in a table with tabs a cell as a whole, else as in any
    CSV; but a quote that would take lines with it which begin with a recording's name, or that is never closed, is a sign like
    any other."""
    if sign == "|":
        cut = [(number, line.split(sign)) for number, line in lines]
        body = [row for _, row in (cut[1:] or cut)]
        columns = [[row[c] for row in body if c < len(row) and row[c].strip()] for c in range(max(map(len, body)))]
        quoted = [bool(cells) and all(_unquoted(cell) is not cell for cell in cells) for cells in columns]
        return [(n, [_unquoted(x) if quoted[c : c + 1] == [True] else x for c, x in enumerate(row)]) for n, row in cut]
    if sign == "\t":
        return [(number, [_unquoted(cell) for cell in line.split(sign)]) for number, line in lines]
    rows: list[tuple[int, Sequence[str]]] = []
    at = 0
    while at < len(lines):
        number, line = lines[at]
        if len(line) > csv.field_size_limit():
            raise NoTableError(f"{table.name}, line {number}: field larger than field limit.", HELP)
        cells, used = _row(lines, at, sign, names)
        rows.append((number, cells))
        at += used
    return rows


def _row(lines: Sequence[tuple[int, str]], at: int, sign: str, names: Names) -> tuple[Sequence[str], int]:
    """The cells of the row that begins in a line, and how many lines it takes."""
    taken = [lines[at][1]]
    for used in range(1, _MOST_LINES_A_CELL):
        cells = _parsed(taken, sign)
        if cells is not None:
            return cells, used
        if at + used >= len(lines) or _begins_a_row(lines[at + used][1], sign, names):
            break
        taken.append(lines[at + used][1])
    return next(csv.reader([lines[at][1]], delimiter=sign, quoting=csv.QUOTE_NONE)), 1


def _parsed(lines: Sequence[str], sign: str) -> Sequence[str] | None:
    """The cells of one row; None if a quote is open at its end."""
    content = "\n".join(lines)
    try:
        return next(
            csv.reader([content + "\n"] if len(lines) == 1 else content.splitlines(keepends=True), delimiter=sign, strict=True)
        )
    except csv.Error as error:
        if "unexpected end of data" in str(error) or len(lines) > 1:
            return None
    return next(csv.reader([content], delimiter=sign))  # quotes inside a cell, as people write them


def _begins_a_row(line: str, sign: str, names: Names) -> bool:
    return any(cell.strip().strip('"') and names.knows(cell.strip().strip('"')) for cell in line.split(sign)[:4])


def _unquoted(cell: str) -> str:
    """A cell of Excel's tables with tabs: "He said ""yes""." in quotes as a whole."""
    bare = cell.strip()
    inside = bare[1:-1]
    whole = len(bare) >= 2 and bare[0] == bare[-1] == '"' and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if whole else cell


def _cells(table: Path, rows: Cells, columns: Columns, unit: str, sign: str) -> list[ScriptRow]:
    """File and the first text column that is filled, of each row."""
    body = rows[1:] if columns.header else rows
    if not body:
        raise ScriptError(f"The script {table.name} has a header and nothing below it.", "Give a line for each recording.")
    width = _width(rows, columns, sign)
    found: list[ScriptRow] = []
    faulty: list[tuple[int, Sequence[str]]] = []
    for number, cells in body:
        row = _of_width(cells, width, columns, sign)
        if row is None:
            if not columns.hits and not columns.header:
                return _not_a_table(table, rows[0][1])
            has = f"{len(_trimmed(cells, width))} cells, where the table has {width}"
            raise ScriptError(
                f"{table.name}, {unit} {number} has {has}: {(sign or ' | ').join(cells)[:120]}.",
                f"Write a text that holds {_called(sign)} in quotes, or in another kind of table."
                if len(cells) > width
                else "Complete it.",
            )
        texts = [normalise(row[c]) for c in columns.texts if c < len(row)]
        if columns.file >= len(row) or not row[columns.file].strip() or not texts:
            faulty.append((number, row))
            continue
        said = ScriptRow(f"{table.name}, {unit} {number}", row[columns.file].strip(), next((t for t in texts if t), ""))
        found.append(columns.timed(said, row))
    if faulty:
        (number, row), others = faulty[0], ", ".join(str(n) for n, _ in faulty[1 : SHOWN_LINES + 1])
        rest = f" Likewise {unit} {others}{', ...' if len(faulty) > SHOWN_LINES + 1 else ''}." if others else ""
        said = f"{table.name}, {unit} {number} has no file or no text: {' | '.join(row)[:120]}.{rest}"
        raise ScriptError(said, "Complete or remove it." if not rest else f"Complete or remove them ({len(faulty)} in all).")
    return found


def _width(rows: Cells, columns: Columns, sign: str) -> int:
    """How many columns there are: as the header has, or most rows."""
    if columns.prose:
        return 2 + columns.behind
    if columns.header:
        return len(rows[0][1])
    widths = Counter(len(row) for _, row in rows)
    return min(widths, key=lambda w: (-widths[w], w))


def _of_width(row: Sequence[str], width: int, columns: Columns, sign: str) -> Sequence[str] | None:
    """A row with as many cells as the table has; None if nobody can say which cell is which."""
    row = _trimmed(row, width)
    if columns.prose and columns.behind and len(row) >= width:
        end = len(row) - columns.behind
        return [row[0], sign.join(row[1:end]), *row[end:]]
    if len(row) > width:
        last = max(columns.texts) == width - 1
        return [*row[: width - 1], sign.join(row[width - 1 :])] if last and sign and sign in ",;" else None
    if len(row) < width and sign == "|":
        return None
    return row


def _trimmed(row: Sequence[str], width: int) -> Sequence[str]:
    """Without empty cells behind the last column."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _called(sign: str) -> str:
    return {"|": "a bar", "\t": "a tab", ";": "a semicolon", ",": "a comma"}.get(sign, repr(sign))


def _not_a_table(table: Path, first: Sequence[str]) -> list[ScriptRow]:
    columns = ", ".join(first[:6])[:200]
    raise NoTableError(f"The script {table.name} has no column for the file and one for the text; it has: {columns}.", HELP)


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that cuts the first line, and the next ones most evenly; a bar that cuts all of them alike, before others."""
    sample = lines[:20]

    def evenness(sign: str) -> tuple[bool, int, int]:
        counts = [line.count(sign) for line in sample]
        return counts[0] > 0, -(max(counts) - min(counts)), counts[0]

    bars = {line.count("|") for line in lines}
    return "|" if len(bars) == 1 and bars != {0} else max(_SIGNS, key=evenness)
