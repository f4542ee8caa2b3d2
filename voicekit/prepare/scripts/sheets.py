"""An .xlsx workbook -> rows of text. Macros and links are never looked at, formulas give the value that was saved with them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voicekit.prepare.scripts.row import NoTableError

MAX_BYTES = 128 * 2**20
MAX_ROWS, MAX_COLUMNS = 100_000, 64
_REMEDY = "Save it again as .xlsx, or as CSV."


def sheet_rows(path: Path) -> list[tuple[int, Sequence[str]]]:
    """(row number, cells) of every filled row of the first sheet that has two of them side by side."""
    try:
        with zipfile.ZipFile(path) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_BYTES:
            raise NoTableError(f"{path.name} would unpack to {unpacked / 2**20:.0f} MB.", "Give file and text alone.")
        with path.open("rb") as raw, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _rows(path.name, raw)
    except (NoTableError, MemoryError):
        raise
    except Exception as error:  # openpyxl lets through whatever its zip, XML and types raise
        raise NoTableError(f"{path.name} is not a workbook that can be read: {error!r}"[:300] + ".", _REMEDY) from None


def _rows(name: str, raw: Any) -> list[tuple[int, Sequence[str]]]:
    import openpyxl

    book: Any = openpyxl.load_workbook(raw, read_only=True, data_only=True, keep_links=False)
    found: list[tuple[int, Sequence[str]]] = []
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what the file says of its own size may be absurd
            found = []
            for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
                if number > MAX_ROWS:
                    raise NoTableError(f"{name} has more than {MAX_ROWS} rows.", "Give it in several files, or as CSV.")
                row = [_text(cell) for cell in cells]
                if any(cell.strip() for cell in row):
                    found.append((number, row))
            if any(sum(bool(cell.strip()) for cell in row) > 1 for _, row in found):
                return found
    finally:
        book.close()
    return found


def _text(cell: object) -> str:
    """As it is shown: a file called 12 is not 12.0."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
