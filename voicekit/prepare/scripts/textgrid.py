"""Praat's TextGrid, both ways (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html).

Praat itself reads a TextGrid as a row of numbers, quoted strings and flags <...>, whatever else stands between them: the
long form is the short one with words around it. So does this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare.scripts.reading import read_text

_REMEDY = "Save it in Praat again, as a text file."
# What stands in brackets ([1]:) or behind an exclamation mark is for people. A number ends where a blank does.
_TOKEN = re.compile(r'"((?:[^"]++|"")*+)"|<(\w+)>|(?<![^\s=])([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?=\s|$)|(!.*)')
_MARK = re.compile(r"\s")
_USUAL = ("utterances", "utterance", "sentences", "sentence", "text", "transcript", "transcription", "words", "word", "ort")
_ALIGNED = re.compile(r"(.+?)\s+-\s+words?")  # "ann - words" beside "ann - phones"
_ABOUT_WORDS = re.compile(r"note|comment|gloss|translat|pos\b|tone|break|pitch|misc|noise|event|lemma|ipa|kan|mau|ort|trn")
_NOBODY = re.compile(
    r"|speech|default|tier[\s_-]*\d*|annotations?|orthograph\w*|trs|said|spoken|utt\w*|sent\w*|lines?|phrases?|asr|script"
)
_ALONGSIDE = 0.6  # of a speaker's time: more than people talk at once


@dataclass(frozen=True)
class Interval:
    """A point in time has the same start and end."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Tier:
    """An IntervalTier or, with `points`, a TextTier. Intervals without text (gaps) are not kept."""

    name: str
    intervals: tuple[Interval, ...]
    points: bool = False


@dataclass(frozen=True)
class TextGrid:
    duration_s: float
    tiers: tuple[Tier, ...]


def read_textgrid(path: Path) -> TextGrid:
    """Long or short form, UTF-8 or UTF-16. Raises ScriptError naming file and line."""
    return _Tokens(path.name, read_text(path)).grid()


def format_textgrid(grid: TextGrid) -> str:
    """The long form; `read_textgrid` gives back the same grid. Gaps become empty intervals, as Praat wants them.

    Raises ValueError for a tier whose intervals overlap or leave 0..duration.
    """
    out = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {grid.duration_s!r}"]
    out += ["tiers? <exists>", f"size = {len(grid.tiers)}", "item []:"]
    for number, tier in enumerate(grid.tiers, 1):
        kind, unit = ("TextTier", "points") if tier.points else ("IntervalTier", "intervals")
        items = list(tier.intervals) if tier.points else _filled(tier, grid.duration_s)
        out += [f"    item [{number}]:", f'        class = "{kind}"', f"        name = {_quoted(tier.name)}"]
        out += ["        xmin = 0", f"        xmax = {grid.duration_s!r}", f"        {unit}: size = {len(items)}"]
        for position, item in enumerate(items, 1):
            out.append(f"        {unit} [{position}]:")
            if tier.points:
                out += [f"            number = {item.start_s!r}", f"            mark = {_quoted(item.text)}"]
            else:
                out += [f"            xmin = {item.start_s!r}", f"            xmax = {item.end_s!r}"]
                out.append(f"            text = {_quoted(item.text)}")
    return "\n".join(out) + "\n"


def _filled(tier: Tier, duration_s: float) -> list[Interval]:
    """The intervals with the gaps between them."""
    out: list[Interval] = []
    at_s = 0.0
    for interval in tier.intervals:
        if not at_s <= interval.start_s < interval.end_s <= duration_s:
            raise ValueError(f"tier {tier.name!r}: {interval} does not fit behind {at_s} s")
        if interval.start_s > at_s:
            out.append(Interval(at_s, interval.start_s, ""))
        out.append(interval)
        at_s = interval.end_s
    if at_s < duration_s or not out:
        out.append(Interval(at_s, duration_s, ""))
    return out


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


class _Tokens:
    """The numbers, strings and flags of a file one after the other."""

    def __init__(self, name: str, content: str) -> None:
        self._name, self._content = name, content
        self._matches = [m for m in _TOKEN.finditer(content) if m[4] is None]
        self._at = 0

    def grid(self) -> TextGrid:
        if not self._string().startswith("ooTextFile") or self._string() != "TextGrid":
            raise self._wrong("it does not begin like a TextGrid")
        self._number()
        duration_s = self._number()
        if self._flag() != "exists":
            return TextGrid(duration_s, ())
        tiers = tuple(self._tier() for _ in range(self._count()))
        return TextGrid(duration_s, tiers)

    def _tier(self) -> Tier:
        kind = self._string()
        if kind not in ("IntervalTier", "TextTier"):
            raise self._wrong(f"{kind[:40]!r} is no kind of tier")
        name = self._string()
        self._number()  # where it begins
        self._number()  # and ends
        count, points = self._count(), kind == "TextTier"
        items = [self._item(points) for _ in range(count)]
        return Tier(name, tuple(i for i in items if points or i.text.strip()), points)

    def _item(self, point: bool) -> Interval:
        start_s = self._number()
        end_s = start_s if point else self._number()
        if end_s < start_s:
            raise self._wrong("an interval ends before it begins")
        return Interval(start_s, end_s, self._string())

    def _count(self) -> int:
        value = self._number()
        if not (0 <= value <= len(self._matches) and value == int(value)):
            raise self._wrong(f"{value:.15g} is no number of things that are there")
        return int(value)

    def _number(self) -> float:
        match = self._next()
        if match[3] is None:
            raise self._wrong("a number is missing")
        return float(match[3])

    def _string(self) -> str:
        match = self._next()
        if match[1] is None:
            raise self._wrong("a text in quotes is missing")
        return match[1].replace('""', '"')

    def _flag(self) -> str:
        match = self._next()
        if match[2] is None:
            raise self._wrong("<exists> is missing")
        return match[2]

    def _next(self) -> re.Match[str]:
        if self._at >= len(self._matches):
            raise self._wrong("it ends in the middle")
        self._at += 1
        return self._matches[self._at - 1]

    def _wrong(self, what: str) -> ScriptError:
        reached = self._matches[self._at - 1].start() if 0 < self._at <= len(self._matches) else len(self._content)
        line = self._content.count("\n", 0, reached) + 1
        return ScriptError(f"{self._name}, line {line}: {what}.", _REMEDY)


def spoken_tiers(grid: TextGrid, name: str) -> tuple[list[Tier], list[Tier]]:
    """The tiers that say what is said, and those of intervals that are left aside: one tier by its usual names, or one for each
    speaker (as the Montreal Forced Aligner takes and writes them), whose names they bear; else the first that is not of phones.

    Tiers of speakers take turns; what runs along with another tier from beginning to end is about that one's words.
    """
    tiers = [t for t in grid.tiers if not t.points and t.intervals]
    aligned = [(match[1], t) for t in tiers if (match := _ALIGNED.fullmatch(t.name.strip())) is not None]
    if len(aligned) > 1:
        chosen = [replace(t, name=speaker) for speaker, t in aligned]
        return chosen, [t for t in tiers if t not in [a for _, a in aligned] and not _is_of_phones(t)]
    for wanted in _USUAL:
        for tier in tiers:
            if _MARK.sub("", tier.name).lower() == wanted:
                return [replace(tier, name="")], [t for t in tiers if t is not tier and not _is_of_phones(t)]
    rest = [t for t in tiers if not _is_of_phones(t)]
    if not rest:
        raise ScriptError(f"{name} has no tier of intervals with texts.", 'Call the tier with the texts "text".')
    speakers = rest[:1]
    for tier in rest[1:]:
        if not _ABOUT_WORDS.search(tier.name.lower()) and all(_shared(tier, other) < _ALONGSIDE for other in speakers):
            speakers.append(tier)
    if len(speakers) == 1 and _NOBODY.fullmatch(speakers[0].name.strip().lower()):
        speakers = [replace(speakers[0], name="")]
    return speakers, [t for t in rest[1:] if t not in speakers]


def _is_of_phones(tier: Tier) -> bool:
    return re.search(r"phon|segment|syllab", tier.name.lower()) is not None


def _shared(one: Tier, other: Tier) -> float:
    """Of the shorter tier's time, what both have."""
    both_s = sum(max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s)) for a in one.intervals for b in other.intervals)
    return both_s / max(min(sum(i.end_s - i.start_s for i in tier.intervals) for tier in (one, other)), 1e-9)
