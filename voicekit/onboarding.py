"""Many voices from one manifest: a CSV file with a row for each. Checked as a whole, then every row is a job of its own.

A row that fails stops no other, and a second run does only what is missing, because equal rows are equal jobs.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from voicekit.errors import ManifestError, VoicekitError
from voicekit.records import JobState, JobStatus

REQUIRED = ("name", "recordings")
OPTIONAL = ("script", "reference", "speaker", "turns", "language", "consent", "recipe", "base", "tags")
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Row:
    """One voice to be made. `consent` is the id of a stored consent; paths are absolute, "" means not given."""

    line: int
    name: str
    recordings: str
    script: str = ""
    language: str = ""
    consent: str = ""
    recipe: str = "lora"
    base: str = ""
    tags: tuple[str, ...] = ()
    reference: str = ""
    speaker: str = ""
    turns: str = ""


@dataclass(frozen=True)
class RowResult:
    """How a row stands. `state` is its job's; `reason` says why it failed or why its voice is not published."""

    name: str
    state: JobState
    step: str = ""
    fraction: float = 0.0
    version: int = 0
    job_id: str = ""
    reason: str = ""


OnRows = Callable[[Sequence[RowResult]], None]


@dataclass(frozen=True)
class OnboardSummary:
    """All rows when none is under way any more."""

    rows: tuple[RowResult, ...]

    def count(self, *states: JobState) -> int:
        return sum(row.state in states for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        counts = {state.value: self.count(state) for state in JobState if state.over}
        return {**counts, "rows": [{**asdict(row), "state": row.state.value} for row in self.rows]}


def read_rows(manifest: Path, check: Callable[[Row], None]) -> list[Row]:
    """The rows of a manifest, each checked; ManifestError names everything that is wrong at once.

    Paths count from the manifest's folder; tags are separated by semicolons.
    """
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"The manifest {manifest} cannot be read: {error}.", "Give a CSV file in UTF-8.") from None
    table = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    rows: list[Row] = []
    try:
        columns = [name.strip().lower() for name in table.fieldnames or ()]
        table.fieldnames = columns
        problems = [f"line 1: the column {name!r} is missing" for name in REQUIRED if name not in columns]
        problems += [f"line 1: the column {name!r} is not known" for name in columns if name not in REQUIRED + OPTIONAL]
        if not problems:
            lines = list(_lines(table))
            problems = [fault for line, cells in lines if (fault := _broken(line, cells))]
            rows = [] if problems else [_row(line, cells, manifest.absolute().parent) for line, cells in lines]
            problems += [problem for row in rows for problem in _problems(row, rows, check)]
    except csv.Error as error:
        problems = [f"line {table.line_num}: {error}; a quote may be opened and not closed"]
    if problems or not rows:
        said = "\n".join(f"  {problem}" for problem in problems[:_SHOWN_PROBLEMS] or ["  it has no rows"])
        more = f"\n  and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        remedy = f"Columns: {', '.join(REQUIRED)}, and optionally {', '.join(OPTIONAL)}."
        raise ManifestError(f"Nothing was begun, because the manifest {manifest} has faults:\n{said}{more}\n", remedy)
    return rows


def _lines(table: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(the line that a row begins in, its cells) of each row that is not empty."""
    line = table.line_num + 1
    for cells in table:
        if any(cells.values()):
            yield line, cells
        line = table.line_num + 1


def _broken(line: int, cells: dict[str, Any]) -> str:
    """What is wrong with how a row is written; "" for nothing. No cell of a manifest has lines."""
    if any("\n" in value or "\r" in value for value in cells.values() if isinstance(value, str)):
        return f"line {line}: a quote is opened and not closed, and takes the lines behind it"
    if "" in cells:
        return f"line {line}: it has more cells than there are columns; a path with a comma stands in quotes"
    return ""


def _row(line: int, cells: dict[str, Any], folder: Path) -> Row:
    given = {key: str(value).strip() for key, value in cells.items() if key and value and str(value).strip()}
    for key in ("recordings", "script", "reference", "turns"):
        if key in given:
            given[key] = str(folder / Path(given[key]).expanduser())
    if given.get("recipe", "").endswith(".toml"):
        given["recipe"] = str(folder / given["recipe"])
    if "base" in given and (folder / given["base"]).is_dir():
        given["base"] = str(folder / given["base"])
    tags = tuple(tag.strip() for tag in given.pop("tags", "").split(";") if tag.strip())
    return Row(line=line, tags=tags, **{"name": "", "recordings": "", **given})


def _problems(row: Row, rows: Sequence[Row], check: Callable[[Row], None]) -> list[str]:
    missing = [f"line {row.line}: no {name}" for name in REQUIRED if not getattr(row, name)]
    first = next(other for other in rows if other.name == row.name)
    if missing:
        return missing
    if first is not row:
        return [f"line {row.line}: the name {row.name!r} is that of line {first.line} too"]
    try:
        check(row)
    except VoicekitError as error:
        return [f"line {row.line}: {error.problem}"]
    return []


def carry_out(
    rows: Sequence[Row],
    submit: Callable[[Row], JobStatus],
    job: Callable[[str], JobStatus],
    publish: Callable[[RowResult], str],
    report: OnRows,
    every_s: float,
) -> OnboardSummary:
    """Ask for every row, then wait. `publish` gives the reason why a finished voice is not published ("" if it is)."""
    results = [_asked(row, submit) for row in rows]
    while True:
        results = [_now(result, job) for result in results]
        report(results)
        if all(result.state.over for result in results):
            break
        time.sleep(every_s)
    return OnboardSummary(tuple(replace(r, reason=r.reason or publish(r)) for r in results))


def _asked(row: Row, submit: Callable[[Row], JobStatus]) -> RowResult:
    try:
        return _of(submit(row))
    except VoicekitError as error:
        return RowResult(row.name, JobState.FAILED, reason=str(error))


def _now(result: RowResult, job: Callable[[str], JobStatus]) -> RowResult:
    return result if result.state.over or not result.job_id else _of(job(result.job_id))


def _of(status: JobStatus) -> RowResult:
    fault = status.fault
    reason = "" if fault is None else f"{fault.problem} {fault.remedy}".strip()
    return RowResult(status.name, status.state, status.step, status.fraction, status.version, status.id, reason)
