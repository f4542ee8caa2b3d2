"""Which stretches of a recording become clips, and what is said in each: by its script, its cues, or whoever listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from voicekit.ports import Aligner, Reader, Transcriber
from voicekit.prepare import segment
from voicekit.prepare.align import align
from voicekit.prepare.sound import Sound
from voicekit.prepare.spans import Span, common, free_around, merged, total_s, without
from voicekit.prepare.spoken import joined, normalise, spoken_form
from voicekit.prepare.turnover import Said, drawn_back
from voicekit.records import Word
from voicekit.specs import PrepareSpec

ANOTHER_SPEAKER = "another speaker"
TWO_AT_ONCE = "two people speak at once"
INTO_ANOTHER = "goes over into somebody else's speech"
SILENT = "no speech in it"
BY_TURNS = (ANOTHER_SPEAKER, TWO_AT_ONCE, INTO_ANOTHER)
"""Reasons that follow from who speaks when, whatever the grades of a clip are."""
NOT_BY_GRADES = (*BY_TURNS, SILENT)
_MIN_OTHER_S = 0.3
_TOUCHED_S = 0.03


class NothingToCutError(Exception):
    """Why no clip can be made of a recording, in words for its record."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording with what is said in it (None: a transcriber is still to be asked), in seconds of the recording.
    `reason` says why it cannot be used."""

    start_s: float
    end_s: float
    text: str | None
    source: str
    reason: str = ""


def pieces_of(
    sound: Sound, text: str | None, spec: PrepareSpec, aligners: Sequence[Aligner], transcriber: Transcriber | None
) -> list[Piece]:
    """The pieces of a recording in order; raises NothingToCutError if there are none.

    Cues go before the script's text; `text` is None where the script does not know the recording.
    """
    region = segment.trim(sound.mine or (sound.both if text or sound.cues else ()), sound.duration_s)
    foreign = _foreign(sound, spec)
    if region is None:
        if foreign:
            return foreign
        raise NothingToCutError(SILENT)
    if sound.cues:
        mine = list(_cued(sound, spec, aligners))
    elif text is None:
        if transcriber is None:
            raise NothingToCutError("the script has no text for it")
        mine = list(_transcribed(sound, spec, aligners, transcriber))
    elif not spoken_form(text, sound.recording.language):
        raise NothingToCutError("its text in the script is empty")
    elif region[1] - region[0] <= spec.max_clip_s and not sound.others and not sound.both:
        mine = [Piece(*region, normalise(text), "script")]
    else:
        mine = _followed(sound, region, text, "script", spec, aligners)
        if not mine:
            raise NothingToCutError(f"script does not match: it cannot be followed over {region[1] - region[0]:.0f} s")
    # Others' speech that a piece of the script or of a cue stands for already is not there twice.
    left = [p for p in foreign if not common([(p.start_s, p.end_s)], merged((m.start_s, m.end_s) for m in mine if m.reason))]
    return sorted([*mine, *left], key=lambda p: (p.start_s, p.end_s))


def _followed(sound: Sound, region: Span, text: str, source: str, spec: PrepareSpec, aligners: Sequence[Aligner]) -> list[Piece]:
    """A long text in pieces cut at pauses; [] if it cannot be followed. Words said while somebody else talks stand apart."""
    aligned = align(sound.without_others(*region), text, sound.recording.language, aligners)
    if aligned is None:
        return []
    words = [replace(w, start_s=w.start_s + region[0], end_s=w.end_s + region[0]) for w in aligned[0]]
    pieces: list[Piece] = []
    for disturbed, numbers in groupby(range(len(words)), lambda i: _touched(words[i], sound.both)):
        run = list(numbers)
        first, after = run[0], run[-1] + 1
        groups = [(0, after - first)] if disturbed else segment.cut_at_words(words[first:after], spec.max_clip_s, sound.others)
        reason = TWO_AT_ONCE if disturbed else ""
        pieces += [_piece(sound, words, first + a, first + b, source, spec, reason) for a, b in groups]
    return pieces


def _touched(word: Word, spans: Sequence[Span]) -> bool:
    return total_s(common([(word.start_s, word.end_s)], spans)) > _TOUCHED_S


def _piece(
    sound: Sound, words: Sequence[Word], first: int, after: int, source: str, spec: PrepareSpec, reason: str = ""
) -> Piece:
    holes = sound.others if reason else merged([*sound.others, *sound.both])
    room = free_around((words[first].start_s + words[after - 1].end_s) / 2, holes, sound.duration_s)
    start_s, end_s = segment.clip_edges(words, first, after, room, sound.loudness, spec.max_clip_s)
    return Piece(start_s, end_s, joined(w.text for w in words[first:after]), source, reason)


def _transcribed(sound: Sound, spec: PrepareSpec, aligners: Sequence[Aligner], transcriber: Transcriber) -> Iterator[Piece]:
    others = merged([*sound.others, *sound.both])
    mine, left = drawn_back(
        sound.mine, others, sound.loudness, sound.noise_power, lambda a, b: _words_in(sound, a, b, aligners, transcriber)
    )
    for start_s, end_s in left:
        if end_s - start_s >= _MIN_OTHER_S:
            yield Piece(start_s, end_s, "", "", INTO_ANOTHER)
    breaks = merged([*others, *left])
    for start_s, end_s in segment.cut_at_pauses(mine, spec.max_clip_s, sound.duration_s, sound.loudness, breaks):
        yield Piece(start_s, end_s, None, transcriber.name)


def _words_in(
    sound: Sound, start_s: float, end_s: float, aligners: Sequence[Aligner], transcriber: Transcriber
) -> tuple[Said, ...]:
    """What a transcriber hears between two times, at the times that an aligner finds, if one can, and as surely as a reader
    among the aligners finds it."""
    wave = sound.track.heard(start_s, end_s)
    heard = transcriber.hear(wave, sound.recording.language).words
    text = joined(w.text for w in heard)
    found = align(wave, text, sound.recording.language, aligners)
    placed = found[0] if found and len(found[0]) == len(heard) else heard
    reader = next((a for a in aligners if isinstance(a, Reader)), None)
    read = reader.read_words(wave, text) if reader and heard else None
    readings = read if read and len(read) == len(heard) else [None] * len(heard)
    return tuple(
        Said(
            Word(w.text, start_s + at.start_s, start_s + at.end_s, w.confidence), start_s + w.start_s, start_s + w.end_s, reading
        )
        for w, at, reading in zip(heard, placed, readings, strict=True)
    )


def _cued(sound: Sound, spec: PrepareSpec, aligners: Sequence[Aligner]) -> Iterator[Piece]:
    """Cues joined to sentences and cut at the pauses between them; one that is too long is followed word by word."""
    cues = sorted((cue.start_s, cue.end_s, normalise(cue.text)) for cue in sound.cues)
    cues = [(a, b, text) for a, b, text in cues if b > a and text]
    words = [w for w in _as_words(cues, sound.speech) if w.end_s > w.start_s]
    for reason, group in groupby(words, lambda w: _whose(w, sound)):
        run = list(group)
        if reason:
            yield _piece(sound, run, 0, len(run), "cue", spec, reason)
            continue
        for first, after in segment.cut_at_words(run, spec.max_clip_s, sound.others):
            piece = _piece(sound, run, first, after, "cue", spec)
            too_long = piece.end_s - piece.start_s > spec.max_clip_s
            followed = _followed(sound, (piece.start_s, piece.end_s), piece.text or "", "cue", spec, aligners) if too_long else []
            yield from followed or [piece]


def _as_words(cues: Sequence[tuple[float, float, str]], speech: Sequence[Span]) -> list[Word]:
    """Each cue with the times of the speech it covers: up to where that ends, if no other cue claims it."""
    out: list[Word] = []
    for number, (start_s, end_s, text) in enumerate(cues):
        low_s = max(cues[number - 1][1], out[-1].end_s if out else 0.0) if number else 0.0
        high_s = cues[number + 1][0] if number + 1 < len(cues) else float("inf")
        said = [s for s in speech if s[1] > start_s and s[0] < end_s]
        if said:
            first_s, last_s = max(said[0][0], min(low_s, start_s)), min(said[-1][1], max(high_s, end_s))
            out.append(Word(text, first_s, last_s))
    return out


def _whose(cue: Word, sound: Sound) -> str:
    """ "" if the wanted speaker says most of a cue alone."""
    here = [(cue.start_s, cue.end_s)]
    mine, others, both = (total_s(common(here, spans)) for spans in (sound.mine, sound.others, sound.both))
    if others > max(mine, both):
        return ANOTHER_SPEAKER
    return TWO_AT_ONCE if both > mine else ""


def _foreign(sound: Sound, spec: PrepareSpec) -> list[Piece]:
    """What is not the wanted speaker's alone, so that it can be heard and taken by hand."""
    out: list[Piece] = []
    for spans, reason in ((sound.others, ANOTHER_SPEAKER), (sound.both, TWO_AT_ONCE)):
        long_enough = [s for s in spans if s[1] - s[0] >= _MIN_OTHER_S]
        breaks = without([(0.0, sound.duration_s)], spans)
        breaks = common(breaks, merged([*sound.mine, *sound.others, *sound.both]))
        cut = segment.cut_at_pauses(long_enough, spec.max_clip_s, sound.duration_s, sound.loudness, breaks)
        out += [Piece(a, b, "", "", reason) for a, b in cut]
    return out
