"""Subtitles -> captions: SubRip (.srt), WebVTT (.vtt, https://www.w3.org/TR/webvtt1/), YouTube's .sbv, lyrics (.lrc), Advanced
SubStation (.ass, .ssa)."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare.scripts.captions import Caption, lines_of
from voicekit.prepare.scripts.reading import read_text

SUFFIXES = (".srt", ".vtt", ".sbv", ".ass", ".ssa", ".lrc")
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_SBV = re.compile(rf"\s*{_TIME},{_TIME}\s*")
_LYRICS = re.compile(r"\[(?:(\d{1,2}):)?(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>")
_REMEDY = "Write it as 00:01:02,500 --> 00:01:05,000."
_LAST_S = 6.0  # of a line of lyrics that no other follows


def read_subtitles(path: Path) -> tuple[Caption, ...]:
    """Each text that is shown, with the line where it begins. Tags, positions and notes are left out.

    Raises ScriptError naming file and line of a time that cannot be one.
    """
    lines = read_text(path).split("\n")
    match path.suffix.lower():
        case ".ass" | ".ssa":
            found = _of_substation(path, lines)
        case ".lrc":
            found = _of_lyrics(lines)
        case _:
            found = _of_blocks(path, lines, _SBV if path.suffix.lower() == ".sbv" else _TIMES)
    if not any(caption.lines for caption in found):
        raise ScriptError(f"{path.name} holds no subtitle with a text.", _REMEDY)
    return tuple(found)


def _of_blocks(path: Path, lines: Sequence[str], times: re.Pattern[str]) -> list[Caption]:
    found: list[Caption] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if path.suffix.lower() == ".vtt" and re.match(r"(NOTE|STYLE|REGION)(\s|$)", line):
            number = _behind_block(lines, number, times)
        elif "-->" in line or (times is _SBV and times.fullmatch(line)):
            start_s, end_s = _times(path, number, line, times)
            after = _behind_block(lines, number, times)
            found.append(_caption(f"line {number + 1}", start_s, end_s, "\n".join(lines[number + 1 : after])))
            number = after
        else:
            number += 1
    return found


def _caption(where: str, start_s: float, end_s: float, raw: str, speaker: str = "") -> Caption:
    voices = {" ".join(name.split()) for name in _VOICE.findall(raw)}
    shown = tuple(line for part in lines_of(raw) for line in lines_of(html.unescape(_TAG.sub("", part))))
    return Caption(where, start_s, end_s, shown, raw, voices.pop() if len(voices) == 1 else speaker)


def _behind_block(lines: Sequence[str], number: int, times: re.Pattern[str]) -> int:
    """The next blank line, or the next time where somebody forgot the blank line (then its number is no text)."""
    for at in range(number + 1, len(lines)):
        if not lines[at].strip():
            return at
        if times.fullmatch(lines[at]):
            return at - 1 if lines[at - 1].strip().isdigit() and at - 1 > number else at
    return len(lines)


def _times(path: Path, number: int, line: str, times: re.Pattern[str]) -> tuple[float, float]:
    where = f"{path.name}, line {number + 1}"
    match = times.fullmatch(line)
    if match is None:
        raise ScriptError(f"{where}: {line.strip()[:60]!r} is not a time.", _REMEDY)
    start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:8])
    if end_s < start_s:
        raise ScriptError(f"{where}: the subtitle ends before it begins: {line.strip()[:60]}.", "Correct its times.")
    return start_s, end_s


def _of_lyrics(lines: Sequence[str]) -> list[Caption]:
    """Lines with one or several times in front; each lasts until the next begins."""
    starts: list[tuple[float, str, str]] = []
    for number, line in enumerate(lines, 1):
        times = list(_LYRICS.finditer(line))
        if times and line.strip().startswith("["):
            text = line[times[-1].end() :] if times[0].start() == line.index("[") else line
            starts += [(_seconds(t.groups()), f"line {number}", text) for t in times]
    starts.sort(key=lambda s: s[0])
    ends_s = [*(start_s for start_s, _, _ in starts[1:]), starts[-1][0] + _LAST_S] if starts else []
    return [_caption(where, a, b, text) for (a, where, text), b in zip(starts, ends_s, strict=True)]


def _of_substation(path: Path, lines: Sequence[str]) -> list[Caption]:
    """The lines `Dialogue:` below [Events], whose fields the line `Format:` names; the text is the last."""
    fields = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
    found: list[Caption] = []
    for number, line in enumerate(lines, 1):
        kind, _, rest = line.partition(":")
        if kind.strip() == "Format" and "Text" in rest and "Start" in rest:
            fields = [field.strip().lower() for field in rest.split(",")]
        elif kind.strip() == "Dialogue":
            cells = dict(zip(fields, rest.split(",", len(fields) - 1), strict=False))
            times = [re.fullmatch(_TIME, cells.get(name, "").strip()) for name in ("start", "end")]
            if times[0] is None or times[1] is None:
                raise ScriptError(f"{path.name}, line {number}: {line[:60]!r} has no times.", "Save it again.")
            start_s, end_s = _seconds(times[0].groups()), _seconds(times[1].groups())
            who = (cells.get("name") or cells.get("actor") or "").strip()
            found.append(_caption(f"line {number}", start_s, max(start_s, end_s), cells.get("text", ""), who))
    return found


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    milliseconds = int((fraction or "0").ljust(3, "0")[:3])
    return (((int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)) * 1000 + milliseconds) / 1000
