"""Labels with times of other programs -> captions: Audacity's (seconds), HTK's (100 ns), Whisper's .json and .tsv, ELAN's
.eaf."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from voicekit.errors import ScriptError
from voicekit.prepare import unsaid
from voicekit.prepare.scripts.captions import Caption, lines_of
from voicekit.prepare.scripts.objects import load_json
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.spoken import normalise

_SECONDS = re.compile(r"\s*(\d+[.,]\d+)[\t ]+(\d+[.,]\d+)(?:[\t ]+(.*))?")
_HTK = re.compile(r"\s*(\d+)[\t ]+(\d+)[\t ]+(\S.*)")
_FREQUENCIES = re.compile(r"\\\t[-\d.]+\t[-\d.]+")  # Audacity's second line of a label of a band
_HTK_PER_S = 1e7
_PHONE = re.compile(r"[a-z]{1,2}[0-2]?|[^\w\s]+|\S*[\^+=/-]\S*[\^+=/-]\S*|cl|pau|h#|epi|[bdgptk]cl|ax-h|axr|eng")


def label_captions(path: Path) -> tuple[Caption, ...] | None:
    """The labels of a text file; None if its lines are no labels."""
    lines = [(n, line) for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip() and not _FREQUENCIES.match(line)]
    for pattern, per_s in ((_SECONDS, 1.0), (_HTK, _HTK_PER_S)):
        found = [(number, pattern.fullmatch(line)) for number, line in lines]
        if found and all(match is not None for _, match in found):
            return tuple(_label(n, m, per_s) for n, m in found if m is not None)
    return None


def are_phonemes(captions: Sequence[Caption]) -> bool:
    """Whether labels are sounds of a language and not words."""
    said = [c.text for c in captions if c.text and not unsaid.is_pause(c.text)]
    return len(said) >= 3 and sum(_PHONE.fullmatch(text.lower()) is not None for text in said) >= 0.9 * len(said)


def whisper_captions(path: Path) -> tuple[Caption, ...] | None:
    """What Whisper and its relatives (whisperX) leave beside a recording; None for another file."""
    if path.suffix.lower() == ".json":
        whole = load_json(path)
        segments = cast("dict[str, Any]", whole).get("segments") if isinstance(whole, dict) else None
        if not isinstance(segments, list):
            return None
        entries = [cast("dict[str, Any]", entry) for entry in cast("list[object]", segments) if isinstance(entry, dict)]
        spoken = [entry for entry in entries if isinstance(entry.get("text"), str)]
        return tuple(_segment(number, entry, path) for number, entry in enumerate(spoken, 1))
    lines = read_text(path).split("\n")
    if lines[0].split("\t") != ["start", "end", "text"]:
        return None
    found: list[Caption] = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t", 2)
        if line.strip():
            if len(cells) < 3 or not (cells[0].isdecimal() and cells[1].isdecimal()):
                raise ScriptError(f"{path.name}, line {number}: {line[:60]!r} has no times.", "Write it anew.")
            found.append(Caption(f"line {number}", int(cells[0]) / 1000, int(cells[1]) / 1000, lines_of(cells[2]), line))
    return tuple(found)


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


def _segment(number: int, entry: dict[str, Any], path: Path) -> Caption:
    try:
        start_s, end_s = float(entry["start"]), float(entry["end"])
    except (KeyError, TypeError, ValueError):
        raise ScriptError(f"{path.name}: segment {number} has no times.", "Write it anew.") from None
    speaker = entry.get("speaker")
    return Caption(
        f"segment {number}", start_s, end_s, lines_of(entry["text"]), entry["text"], speaker if isinstance(speaker, str) else ""
    )
