"""SubRip (.srt) and WebVTT (.vtt, https://www.w3.org/TR/webvtt1/) -> cues."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.script import Cue
from voicekit.prepare.spoken import joined, normalise

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_REMEDY = "Write it as 00:01:02,500 --> 00:01:05,000."


def read_subtitles(path: Path) -> tuple[tuple[int, Cue], ...]:
    """(line, cue) of each text that is shown, by time. Tags, positions and notes are left out.

    Raises ScriptError naming file and line of a time that cannot be one.
    """
    lines = read_text(path).split("\n")
    found: list[tuple[int, Cue]] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if path.suffix.lower() == ".vtt" and re.match(r"(NOTE|STYLE|REGION)(\s|$)", line):
            number = _behind_block(lines, number)
        elif "-->" in line:
            start_s, end_s = _times(path, number, line)
            after = _behind_block(lines, number)
            text = _plain(lines[number + 1 : after])
            if text:
                found.append((number + 1, Cue(start_s, end_s, text)))
            number = after
        else:
            number += 1
    if not found:
        raise ScriptError(f"{path.name} holds no subtitle with a text.", _REMEDY)
    return tuple(sorted(found, key=lambda f: (f[1].start_s, f[1].end_s)))


def _behind_block(lines: Sequence[str], number: int) -> int:
    """The next blank line, or the next time where somebody forgot the blank line (then its number is no text)."""
    for at in range(number + 1, len(lines)):
        if not lines[at].strip():
            return at
        if _TIMES.fullmatch(lines[at]):
            return at - 1 if lines[at - 1].strip().isdigit() and at - 1 > number else at
    return len(lines)


def _times(path: Path, number: int, line: str) -> tuple[float, float]:
    where = f"{path.name}, line {number + 1}"
    match = _TIMES.fullmatch(line)
    if match is None:
        raise ScriptError(f"{where}: {line.strip()[:60]!r} is not a time.", _REMEDY)
    start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:8])
    if end_s < start_s:
        raise ScriptError(f"{where}: the subtitle ends before it begins: {line.strip()[:60]}.", "Correct its times.")
    return start_s, end_s


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    milliseconds = int((fraction or "0").ljust(3, "0"))
    return (((int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)) * 1000 + milliseconds) / 1000


def _plain(lines: Sequence[str]) -> str:
    return normalise(html.unescape(_TAG.sub("", joined(lines))))
