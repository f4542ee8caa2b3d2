"""Decisions applied to clips: pure, in their order, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

from voicekit.prepare.align import Alignment
from voicekit.prepare.decisions import Action, Decision, Place, place_of
from voicekit.prepare.spoken import joined, normalise
from voicekit.records import Clip, Transcript, Verdict, Word
from voicekit.timebase import samples_to_seconds

BY_HAND = "left out by hand"
SOURCE_BY_HAND = "by hand"


class Bench(Protocol):
    """What decisions need of the recordings themselves, and of the machine that judges."""

    def cut(self, place: Place, text: str, source: str) -> Clip:
        """A stretch of a recording as a clip of its own, judged by the machine."""
        ...

    def align(self, clip: Clip, text: str, best: bool) -> Alignment | None:
        """The words of a text in a clip; with `best` by whichever aligner finds the best match."""
        ...

    def judged(self, clip: Clip, original: Clip, aligned: bool) -> Clip:
        """A clip with another text or other words than `original`, graded and judged anew by them. `aligned`: its words were
        found in the sound."""
        ...


@dataclass(frozen=True)
class Row:
    """`clip` as it stands, with the machine's verdict; `original` as it was cut; `verdict` a person's, if there is one.
    `by_hand`: a person changed it, or decided on it."""

    clip: Clip
    original: Clip
    verdict: Verdict | None = None
    by_hand: bool = False


def arranged(clips: Sequence[Clip], held: Sequence[Decision], bench: Bench) -> tuple[list[Row], int]:
    """The clips after all decisions but verdicts, and how many decisions fit no clip. Order is kept."""
    rows = [Row(clip, clip) for clip in clips]
    unfit = 0
    for decision in held:
        number = next((i for i, row in enumerate(rows) if place_of(row.clip) == decision.place), None)
        taken = None if number is None else _done(rows, number, decision, bench)
        if number is None or taken is None:
            unfit += 1
        else:
            count, new = taken
            rows[number : number + count] = new
    return rows, unfit


def final(row: Row, judged: Clip) -> Clip:
    """A row's clip with the verdict that counts: a person's, else that of `judged`. Without sound or text none is taken."""
    match row.verdict:
        case Verdict.ACCEPTED if judged.audio and judged.transcript.text:
            return replace(judged, verdict=Verdict.ACCEPTED, reason="")
        case Verdict.REJECTED:
            return replace(judged, verdict=Verdict.REJECTED, reason=BY_HAND)
        case _:
            return judged


def decided_by_hand(row: Row, clip: Clip) -> bool:
    """Whether it is a person's verdict that a row's final clip has."""
    return row.verdict is not None and row.verdict is clip.verdict and clip.reason in ("", BY_HAND)


def words_before(clip: Clip, at_sample: int) -> int:
    """How many of a clip's words are said before a sample of its recording: their middle counts."""
    time_s = samples_to_seconds(at_sample - clip.start_sample, clip.sample_rate_hz)
    return sum((w.start_s + w.end_s) / 2 < time_s for w in clip.transcript.words)


def next_to_join(clips: Sequence[Clip], number: int) -> Clip | None:
    """The clip of the same recording that follows, if both have sound."""
    if number + 1 >= len(clips):
        return None
    clip, following = clips[number], clips[number + 1]
    together = clip.recording == following.recording and bool(clip.audio) and bool(following.audio)
    return following if together else None


def joined_place(clip: Clip, following: Clip) -> Place:
    return clip.recording, clip.start_sample, following.start_sample + following.num_samples - clip.start_sample


def _done(rows: Sequence[Row], number: int, decision: Decision, bench: Bench) -> tuple[int, list[Row]] | None:
    """How many rows from `number` on are replaced, and by which; None where the decision does not fit."""
    row = rows[number]
    match decision.action:
        case Action.ACCEPT:
            return 1, [replace(row, verdict=Verdict.ACCEPTED, by_hand=True)]
        case Action.REJECT:
            return 1, [replace(row, verdict=Verdict.REJECTED, by_hand=True)]
        case Action.RESET:
            return 1, [Row(row.original, row.original)]
        case Action.SPLIT:
            return _split(row, decision, bench)
        case Action.JOIN:
            return _joined(rows, number, bench)
        case Action.TEXT | Action.REALIGN:
            return _realigned(row, decision, bench)
        case Action.UNDO | Action.REDO:
            return None


def _realigned(row: Row, decision: Decision, bench: Bench) -> tuple[int, list[Row]] | None:
    clip = row.clip
    text = normalise(decision.text) or clip.transcript.text
    if not clip.audio or not text:
        return None
    if decision.action is Action.REALIGN:
        found = bench.align(clip, text, best=True)
        if found is None:
            return 1, [row]
        transcript = replace(clip.transcript, words=found[0])
    elif text == clip.transcript.text:
        return 1, [row]
    elif text == row.original.transcript.text:
        return 1, [replace(row, clip=row.original, by_hand=True)]
    else:
        found = bench.align(clip, text, best=False)
        transcript = Transcript(text, found[0] if found else (), SOURCE_BY_HAND)
    match = round(found[1], 4) if found else 0.0
    changed = replace(clip, transcript=transcript, grades=replace(clip.grades, script_match=match))
    return 1, [replace(row, clip=bench.judged(changed, row.original, found is not None), by_hand=True)]


def _split(row: Row, decision: Decision, bench: Bench) -> tuple[int, list[Row]] | None:
    clip, words = row.clip, row.clip.transcript.words
    count = words_before(clip, decision.at_sample)
    if not clip.audio or not 0 < count < len(words):
        return None
    sizes = (decision.at_sample - clip.start_sample, clip.start_sample + clip.num_samples - decision.at_sample)
    starts = accumulate((clip.start_sample, sizes[0]))
    parts = [
        bench.cut((clip.recording, start, size), _text(group), clip.transcript.source)
        for start, size, group in zip(starts, sizes, (words[:count], words[count:]), strict=True)
    ]
    return 1, [Row(part, part, by_hand=True) for part in parts]


def _joined(rows: Sequence[Row], number: int, bench: Bench) -> tuple[int, list[Row]] | None:
    clip = rows[number].clip
    following = next_to_join([r.clip for r in rows], number)
    if following is None:
        return None
    text = joined(normalise(c.transcript.text) for c in (clip, following))
    whole = bench.cut(joined_place(clip, following), text, clip.transcript.source)
    return 2, [Row(whole, whole, by_hand=True)]


def _text(words: Sequence[Word]) -> str:
    return joined(w.text for w in words)
