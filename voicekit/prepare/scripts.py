"""What is said in each recording, as the user wrote it down.

Understood: LJSpeech's metadata.csv (`id|text|normalised`, the normalised text is used), a table with a header (a column for the
file and one for the text; comma, semicolon, tab or bar), lines that begin with a recording's name, a .txt or .lab beside each
recording, and for a single recording any text file. A file may be named with or without folder and suffix.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare import decisions
from voicekit.prepare.spoken import normalise
from voicekit.records import Recording

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
SIDE_SUFFIXES = (".txt", ".lab")
_HELP = (
    'Give a table with a header "file,text", LJSpeech\'s metadata.csv (id|text|normalised), or a .txt beside each recording '
    "with the same name."
)


@dataclass(frozen=True)
class Script:
    """Text by recording id; `unused` are names in the script that no recording has; `source` says where it was found."""

    texts: dict[str, str]
    source: str
    unused: tuple[str, ...] = ()


def find_script(
    given: Path | None, root: Path, recordings: Sequence[Recording], others: Sequence[Recording] = ()
) -> Script | None:
    """The script of `recordings`, from `given` or from what lies beside them; None if there is none.

    `others` are recordings that the script may name without harm (refused ones). Raises ScriptError when a script is there but
    cannot be read or fits no recording.
    """
    if given is None:
        return _beside(root, recordings, others)
    if given.is_dir():
        texts = _side_texts(given, recordings)
        if not texts:
            raise ScriptError(f"No text file in {given} has the name of a recording, such as {_example(recordings)}.", _HELP)
        return Script(texts, given.name)
    if not given.is_file():
        raise ScriptError(f"There is no script {given}.", "Check the path.")
    if len(recordings) == 1 and given.suffix.lower() in SIDE_SUFFIXES and not _looks_like_table(given, recordings):
        return Script({recordings[0].id: _whole_text(given)}, given.name)
    return _from_tables([given], recordings, others)


def _beside(root: Path, recordings: Sequence[Recording], others: Sequence[Recording]) -> Script | None:
    """What lies near the recordings: metadata.csv, texts of the same names, or the only table, if it is about them at all."""
    problem: ScriptError | None = None
    tables = _metadata(root, recordings)
    if tables:
        try:
            return _from_tables(tables, recordings, others)
        except ScriptError as error:
            problem = error
    texts = _side_texts(root, recordings)
    if texts:
        return Script(texts, "text files beside the recordings")
    if problem:
        raise problem
    tables = sorted(p for p in root.iterdir() if p.suffix.lower() in (".csv", ".tsv") and not p.name.startswith("."))
    tables = [p for p in tables if p.name != decisions.FILE]
    if len(tables) != 1:
        return None
    try:
        return _from_tables(tables, recordings, others)
    except ScriptError:
        return None


def _metadata(root: Path, recordings: Sequence[Recording]) -> list[Path]:
    """metadata.csv in the folders of the recordings or above them; else the one above the root (LJSpeech's wavs/)."""
    folders = {(root / r.path).parent for r in recordings} | {root}
    below = {f.parent for f in folders if f != root}
    found = sorted(p for f in folders | below if (p := f / "metadata.csv").is_file())
    above = root.parent / "metadata.csv"
    return found or ([above] if above.is_file() else [])


def _from_tables(tables: Sequence[Path], recordings: Sequence[Recording], others: Sequence[Recording]) -> Script:
    index = _Names(recordings)
    known = _Names(others)
    texts: dict[str, str] = {}
    unused: list[str] = []
    for table in tables:
        for name, text in _rows(table, index):
            found = index.find(name, table)
            if found is None:
                unused.extend([] if known.find(name, table) else [name])
            elif texts.setdefault(found, text) != text:
                raise ScriptError(f"{table.name} has two different texts for {name}.", "Keep one line for each recording.")
    source = ", ".join(t.name for t in tables)
    if not texts:
        problem = f"The script {source} names no recording: it names {_some(unused)}; the recordings are {_example(recordings)}."
        raise ScriptError(problem, _HELP)
    return Script(texts, source, tuple(unused))


def _rows(table: Path, names: _Names) -> list[tuple[str, str]]:
    """(file name as written, text) of each line."""
    content = _decode(table)
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines:
        raise ScriptError(f"The script {table.name} is empty.", _HELP)
    sign = _delimiter(lines)
    quoting = csv.QUOTE_NONE if sign == "|" else csv.QUOTE_MINIMAL
    try:
        rows = [r for r in csv.reader(io.StringIO(content, newline=""), delimiter=sign, quoting=quoting) if any(r)]
    except csv.Error as error:
        raise ScriptError(f"The script {table.name} is not a valid table: {error}.", _HELP) from None
    header = [cell.strip().lower() for cell in rows[0]]
    file_column, text_column = _column(header, FILE_COLUMNS), _column(header, TEXT_COLUMNS)
    if file_column is not None and text_column is not None:
        return _cells(table, [_joined(r, len(header), sign) for r in rows[1:]], file_column, [text_column], first_line=2)
    if sign == "|" and len(header) >= 2:
        return _cells(table, rows, 0, [2, 1], first_line=1)
    if len(header) >= 2 and names.find(rows[0][0], table):
        return _cells(table, [_joined(r, 2, sign) for r in rows], 0, [1], first_line=1)
    if names.find(lines[0].split()[0], table):
        return _cells(table, [line.split(maxsplit=1) for line in lines], 0, [1], first_line=1)
    columns = ", ".join(rows[0][:6])
    raise ScriptError(f"The script {table.name} has no column for the file and one for the text; it has: {columns[:200]}.", _HELP)


def _joined(row: list[str], width: int, sign: str) -> list[str]:
    """A row of more cells than columns, with unquoted commas in its last one put together again."""
    return row if sign == "\t" or len(row) <= width else [*row[: width - 1], sign.join(row[width - 1 :])]


def _cells(
    table: Path, rows: Sequence[Sequence[str]], file_column: int, text_columns: Sequence[int], first_line: int
) -> list[tuple[str, str]]:
    """File and the first text column that is filled, of each row."""
    found: list[tuple[str, str]] = []
    for line, row in enumerate(rows, first_line):
        texts = [normalise(row[c]) for c in text_columns if c < len(row)]
        if file_column >= len(row) or not row[file_column].strip() or not texts:
            raise ScriptError(f"Row {line} of {table.name} has no file or no text: {' | '.join(row)[:120]}.", "Complete the row.")
        found.append((row[file_column].strip(), next((t for t in texts if t), "")))
    return found


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that cuts the first line, and the next ones most evenly."""
    sample = lines[:20]

    def evenness(sign: str) -> tuple[bool, int, int]:
        counts = [line.count(sign) for line in sample]
        return counts[0] > 0, -(max(counts) - min(counts)), counts[0]

    return max("|\t;,", key=evenness)


def _looks_like_table(path: Path, recordings: Sequence[Recording]) -> bool:
    first = next((line for line in _decode(path).splitlines() if line.strip()), "")
    names = _Names(recordings)
    return any(sign in first and names.find(first.split(sign)[0], path) for sign in "|\t;,")


def _side_texts(folder: Path, recordings: Sequence[Recording]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for recording in recordings:
        audio = Path(recording.path)
        for suffix in SIDE_SUFFIXES:
            for candidate in (folder / audio.with_suffix(suffix), folder / f"{audio.stem}{suffix}"):
                if recording.id not in texts and candidate.is_file():
                    texts[recording.id] = _whole_text(candidate)
    return texts


def _whole_text(path: Path) -> str:
    return normalise(_decode(path))


def _decode(path: Path) -> str:
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise ScriptError(f"The script {path.name} is not UTF-8 text.", "Save it as UTF-8.") from None


def _plain(name: str) -> str:
    return name.strip().replace("\\", "/").removeprefix("./").lower()


class _Names:
    """Finds recordings by what a script calls them: path or name, with or without suffix, in any case."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = {}
        self._paths: dict[str, str] = {}
        for recording in recordings:
            path = _plain(recording.path)
            stem = path.rsplit(".", 1)[0]
            self._paths[recording.id] = recording.path
            self._by_path[path] = recording.id
            for key in {stem, path.rsplit("/", 1)[-1], stem.rsplit("/", 1)[-1]}:
                self._by_name.setdefault(key, []).append(recording.id)

    def find(self, name: str, table: Path) -> str | None:
        """The recording's id; a name that fits several recordings is a ScriptError."""
        plain = _plain(name)
        if plain in self._by_path:
            return self._by_path[plain]
        parts = plain.split("/")
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            ids = self._by_name.get(key) or (self._by_name.get(key.rsplit(".", 1)[0], []) if "." in key else [])
            if len(ids) > 1:
                both = " and ".join(self._paths[i] for i in ids[:2])
                raise ScriptError(f"{table.name} names {name}, which may be {both}.", "Write the path in the script.")
            if ids:
                return ids[0]
        return None


def _example(recordings: Sequence[Recording]) -> str:
    return _some([r.path for r in recordings])


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "nothing"
