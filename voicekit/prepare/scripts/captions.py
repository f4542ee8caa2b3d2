"""What is shown over time -> what is said when: captions repeat themselves, name speakers and describe sounds. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from voicekit.prepare import unsaid
from voicekit.prepare.scripts.script import Cue
from voicekit.prepare.spoken import joined, normalise

_APART_S = 0.5
_USUAL, _TWICE = 0.25, 2  # so many of a file's captions repeat the one before: then it is its way, not the speaker's


@dataclass(frozen=True)
class Caption:
    """One text that is shown from a time to another: `where` it stands, its lines without markup, as it was written (`raw`: what
    is highlighted differs), and who says it, if it is marked as theirs."""

    where: str
    start_s: float
    end_s: float
    lines: tuple[str, ...]
    raw: str = ""
    speaker: str = ""

    @property
    def text(self) -> str:
        return joined(self.lines)


@dataclass(frozen=True)
class Timed:
    """The cues of one recording with the places where they stand, and the marks that were taken out of their texts."""

    cues: tuple[tuple[str, Cue], ...]
    marks: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def said_in(captions: Sequence[Caption], subtitles: bool = True) -> Timed:
    """The cues of captions in order of time. Repetitions are one, names of speakers become theirs, marks are taken out."""
    ordered = sorted((c for c in captions if c.text), key=lambda c: (c.start_s, c.end_s))
    ordered = _without_rolling(_without_highlighting(ordered))
    rests, names = unsaid.without_speakers([c.text for c in ordered])
    marks: list[str] = []
    cues: list[tuple[str, Cue]] = []
    for caption, rest, name in zip(ordered, rests, names, strict=True):
        text, taken = unsaid.cleaned(rest, subtitles)
        text, pauses = unsaid.without_pauses(text) if not subtitles else (text, ())
        marks += [*taken, *pauses, *([f"{name}:"] if name else [])]
        if text and not unsaid.is_pause(text):
            cues.append((caption.where, Cue(caption.start_s, caption.end_s, text, caption.speaker or name)))
        elif text:
            marks.append(text)
    return Timed(tuple(cues), tuple(marks))


def _without_highlighting(captions: Sequence[Caption]) -> list[Caption]:
    """Karaoke shows a text once for each word: equal texts that follow each other are one caption."""
    pairs = [(a, b) for a, b in pairwise(captions) if a.text == b.text and _touch(a, b)]
    usual = len(pairs) >= max(_TWICE, _USUAL * len(captions))
    out: list[Caption] = []
    for caption in captions:
        before = out[-1] if out else None
        again = before is not None and before.text == caption.text and _touch(before, caption)
        if before is not None and again and (usual or before.raw != caption.raw):
            out[-1] = replace(before, end_s=max(before.end_s, caption.end_s), raw=caption.raw)
        else:
            out.append(caption)
    return out


def _without_rolling(captions: Sequence[Caption]) -> list[Caption]:
    """Captions that roll show the last line again above the new one, or grow word by word: of each only what is new stays."""
    fresh = [c.lines if n == 0 else _new_lines(captions[n - 1], c) for n, c in enumerate(captions)]
    rolled = sum(len(lines) < len(c.lines) for lines, c in zip(fresh, captions, strict=True))
    if rolled >= max(_TWICE, _USUAL * len(captions)):
        return [replace(c, lines=lines) for c, lines in zip(captions, fresh, strict=True) if joined(lines)]
    grown = ["" if n == 0 else _growth(captions[n - 1], c) for n, c in enumerate(captions)]
    if sum(map(bool, grown)) >= max(_TWICE, _USUAL * len(captions)):
        return [replace(c, lines=(new,)) if new else c for c, new in zip(captions, grown, strict=True)]
    return list(captions)


def _new_lines(before: Caption, caption: Caption) -> tuple[str, ...]:
    """Its lines without those at its beginning that the caption before ends with."""
    if caption.start_s - before.end_s > _APART_S:
        return caption.lines
    for count in range(min(len(before.lines), len(caption.lines)), 0, -1):
        if before.lines[-count:] == caption.lines[:count]:
            return caption.lines[count:]
    return caption.lines


def _growth(before: Caption, caption: Caption) -> str:
    """What a caption adds to the one before, if it begins with all of that."""
    grows = _touch(before, caption) and caption.text.startswith(f"{before.text} ")
    return caption.text[len(before.text) :].strip() if grows else ""


def _touch(before: Caption, caption: Caption) -> bool:
    return caption.start_s - before.end_s <= _APART_S


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text that are not empty, each with single spaces."""
    return tuple(line for part in re.split(r"\n|\\N", text) if (line := normalise(part)))
