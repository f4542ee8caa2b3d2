"""Labels with times of other programs -> captions: Audacity's (seconds), HTK's (100 ns), recognizers' .json, tables with
times, ELAN's .eaf and its text."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from voicekit.errors import ScriptError
from voicekit.prepare import unsaid
from voicekit.prepare.scripts.captions import Caption, lines_of
from voicekit.prepare.scripts.columns import SPEAKER_COLUMNS, stretches_of
from voicekit.prepare.scripts.objects import load_json
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.row import ScriptRow
from voicekit.prepare.spoken import normalise

_SECONDS = re.compile(r"\s*(\d+[.,]\d+)[\t ]+(\d+[.,]\d+)(?:[\t ]+(.*))?")
_HTK = re.compile(r"\s*(\d+)[\t ]+(\d+)[\t ]+(\S.*)")
_FREQUENCIES = re.compile(r"\\\t[-\d.]+\t[-\d.]+")  # Audacity's second line of a label of a band
_HTK_PER_S = 1e7
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)|(\d+[.,]\d+)")
_SEGMENTS = ("segments", "utterances", "chunks", "transcription")
_STARTS, _ENDS = ("start", "start_time", "startTime", "begin"), ("end", "end_time", "endTime", "stop")
_SAID = ("text", "body", "transcript", "sentence")
_PHONE = re.compile(r"[a-z]{1,2}[0-2]?|[^\w\s]+|\S*[\^+=/-]\S*[\^+=/-]\S*|cl|pau|h#|epi|[bdgptk]cl|ax-h|axr|eng")


def label_captions(path: Path) -> tuple[Caption, ...] | None:
    """The labels of a text file; None if its lines are no labels."""
    lines = [(n, line) for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip() and not _FREQUENCIES.match(line)]
    for pattern, per_s in ((_SECONDS, 1.0), (_HTK, _HTK_PER_S)):
        found = [(number, pattern.fullmatch(line)) for number, line in lines]
        if found and all(match is not None for _, match in found):
            return tuple(_label(n, m, per_s) for n, m in found if m is not None)
    return _tabbed(lines)


def _tabbed(lines: Sequence[tuple[int, str]]) -> tuple[Caption, ...] | None:
    """Lines of cells with tabs between: who speaks, times, what is said (ELAN's tab-delimited text)."""
    found: list[Caption] = []
    for number, line in lines:
        cells = [cell.strip() for cell in line.split("\t")]
        times = list(dict.fromkeys(_clock_s(m) for cell in cells[:-1] if (m := _CLOCK.fullmatch(cell)) is not None))
        if len(times) < 2 or times[1] < times[0] or not cells[-1] or _CLOCK.fullmatch(cells[-1]):
            return None
        speaker = "" if _CLOCK.fullmatch(cells[0]) else normalise(cells[0])
        found.append(Caption(f"line {number}", times[0], times[1], lines_of(cells[-1]), line, speaker))
    return tuple(found) or None


def _clock_s(match: re.Match[str]) -> float:
    if match[4]:
        return float(match[4].replace(",", "."))
    return int(match[1] or 0) * 3600 + int(match[2]) * 60 + float(match[3].replace(",", "."))


def are_phonemes(captions: Sequence[Caption]) -> bool:
    """Whether labels are sounds of a language and not words."""
    said = [c.text for c in captions if c.text and not unsaid.is_pause(c.text)]
    return len(said) >= 3 and sum(_PHONE.fullmatch(text.lower()) is not None for text in said) >= 0.9 * len(said)


def segments_in(path: Path, duration_s: float) -> tuple[Caption, ...] | None:
    """The stretches that a recognizer (Whisper and its relatives, AssemblyAI, Deepgram) or an editor lists in the JSON beside a
    recording of this length; None for JSON without any."""
    whole = load_json(path)
    entries = _entries(whole)
    spoken = [(n, entry) for n, entry in enumerate(entries, 1) if any(isinstance(entry.get(key), str) for key in _SAID)]
    if entries and not spoken:
        return None
    timed = [(n, entry, _times_of(entry)) for n, entry in spoken]
    if any(times is None for _, _, times in timed):
        if isinstance(whole, list):
            return None
        number = next(n for n, _, times in timed if times is None)
        raise ScriptError(f"{path.name}: segment {number} has no times.", "Write it anew.")
    known = [(n, entry, times) for n, entry, times in timed if times is not None]
    per_s = _units_of([time for _, _, times in known for time in times], duration_s)
    found = [_segment(n, entry, (a / per_s, b / per_s)) for n, entry, (a, b) in known]
    return tuple(found) if found or _has_segments(whole) else None


def rows_with_times(path: Path, duration_s: float) -> tuple[Caption, ...] | None:
    """The rows of a table about one recording: a header that names the texts and their times, and no file (Whisper's .tsv and
    .csv, editors' exports). None for another table."""
    lines = read_text(path).split("\n")
    if not lines or (sign := next((sign for sign in "\t;," if sign in lines[0]), None)) is None:
        return None
    quoting = csv.QUOTE_NONE if sign == "\t" else csv.QUOTE_MINIMAL
    try:
        rows = [(n, row) for n, row in enumerate(csv.reader(lines, delimiter=sign, quoting=quoting), 1) if any(row)]
    except csv.Error:
        return None
    columns = stretches_of(rows[0][1])
    if columns is None:
        return None
    whole_numbers = all(row[columns.start or 0].strip().isdecimal() for _, row in rows[1:] if len(row) > (columns.start or 0))
    by_whisper = [cell.strip().lower() for cell in rows[0][1]] == ["start", "end", "text"] and whole_numbers
    found: list[Caption] = []
    for number, row in rows[1:]:
        if len(row) > columns.texts[0] and sign != "\t":
            row = [*row[: len(rows[0][1]) - 1], sign.join(row[len(rows[0][1]) - 1 :])]
        said = row[columns.texts[0]] if len(row) > columns.texts[0] else ""
        placed = columns.timed(ScriptRow(f"line {number}", path.name, said), row)
        if placed.start_s is None or placed.end_s is None:
            raise ScriptError(f"{path.name}, line {number}: {sign.join(row)[:60]!r} has no times.", "Write it anew.")
        found.append(Caption(f"line {number}", placed.start_s, placed.end_s, lines_of(said), said, placed.speaker))
    per_s = 1000.0 if by_whisper else _units_of([t for c in found for t in (c.start_s, c.end_s)], duration_s)
    return tuple(replace(c, start_s=c.start_s / per_s, end_s=c.end_s / per_s) for c in found)


def _entries(whole: Any) -> list[dict[str, Any]]:
    """The stretches that JSON lists, wherever its maker puts them."""
    if isinstance(whole, list):
        return [cast("dict[str, Any]", entry) for entry in cast("list[object]", whole) if isinstance(entry, dict)]
    fields = cast("dict[str, Any]", whole) if isinstance(whole, dict) else {}
    listed = next((fields[key] for key in _SEGMENTS if isinstance(fields.get(key), list)), None)
    if listed is not None:
        return _entries(listed)
    results = fields.get("results")
    return _entries(results) if isinstance(results, dict) else []


def _has_segments(whole: Any) -> bool:
    return isinstance(whole, dict) and isinstance(cast("dict[str, Any]", whole).get("segments"), list)


def _times_of(entry: dict[str, Any]) -> tuple[float, float] | None:
    """When a stretch begins and ends, in the units of its file."""
    pair, offsets = entry.get("timestamp"), entry.get("offsets")
    start: Any
    end: Any
    if isinstance(pair, list) and len(cast("list[object]", pair)) == 2:
        start, end = cast("list[Any]", pair)
        end = start if end is None else end
    elif isinstance(offsets, dict):
        start, end = (cast("dict[str, Any]", offsets).get(key) for key in ("from", "to"))
        start, end = (value / 1000 if isinstance(value, int | float) else None for value in (start, end))
    else:
        start, end = (next((entry[key] for key in keys if key in entry), None) for keys in (_STARTS, _ENDS))
    try:
        return float(start), float(end)
    except (TypeError, ValueError, OverflowError):
        return None


def _units_of(times: Sequence[float], duration_s: float) -> float:
    """1 for seconds; 1000 where whole numbers go far beyond the end of the recording: milliseconds."""
    return 1000.0 if times and max(times) > 10 * duration_s and all(float(time).is_integer() for time in times) else 1.0


def elan_tiers(path: Path) -> list[tuple[str, tuple[Caption, ...]]]:
    """(name, captions) of each tier of ELAN's XML that has times of its own. Raises ScriptError."""
    try:
        root = ElementTree.fromstring(read_text(path).partition("?>")[2] or read_text(path))
    except (ElementTree.ParseError, ValueError) as error:
        raise ScriptError(f"{path.name} is not XML that can be read: {error}.", "Save it in ELAN again.") from None
    slots = {s.get("TIME_SLOT_ID", ""): s.get("TIME_VALUE") for s in root.iter("TIME_SLOT")}
    tiers: list[tuple[str, tuple[Caption, ...]]] = []
    for tier in root.iter("TIER"):
        name = normalise(tier.get("PARTICIPANT") or tier.get("TIER_ID") or "")
        found: list[Caption] = []
        for number, item in enumerate(tier.iter("ALIGNABLE_ANNOTATION"), 1):
            times = [slots.get(item.get(ref, "")) for ref in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")]
            text = normalise(item.findtext("ANNOTATION_VALUE") or "")
            if text and times[0] is not None and times[1] is not None:
                where = f"tier {name!r}, annotation {number}"
                found.append(Caption(where, int(times[0]) / 1000, int(times[1]) / 1000, (text,), text))
        if found:
            tiers.append((name, tuple(found)))
    return tiers


def _label(number: int, match: re.Match[str], per_s: float) -> Caption:
    start_s, end_s = (float(match[group].replace(",", ".")) / per_s for group in (1, 2))
    return Caption(f"line {number}", start_s, max(start_s, end_s), lines_of(match[3] or ""), match[0])


def _segment(number: int, entry: dict[str, Any], times: tuple[float, float]) -> Caption:
    text = next(entry[key] for key in _SAID if isinstance(entry.get(key), str))
    speaker = next((str(entry[key]) for key in SPEAKER_COLUMNS if isinstance(entry.get(key), str | int)), "")
    return Caption(f"segment {number}", *times, lines_of(text), text, normalise(speaker))
