"""Scripts with times -> cues of one recording."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare import spoken
from voicekit.prepare.scripts import labels, subtitles
from voicekit.prepare.scripts.captions import Caption, Timed, said_in
from voicekit.prepare.scripts.row import NoTableError, ScriptRow
from voicekit.prepare.scripts.script import Cue
from voicekit.prepare.scripts.textgrid import read_textgrid, spoken_tiers
from voicekit.prepare.spoken import normalise
from voicekit.records import Recording, SpeakerTurn
from voicekit.timebase import samples_to_seconds

SUFFIXES = (".textgrid", ".eaf", *subtitles.SUFFIXES)
PERHAPS_TIMED = (".json", ".tsv", ".csv", ".txt", ".lab")
"""Of files that may have times: what they hold decides."""
_EARLY_S = 0.5  # models begin a little before the sound
_LATE_S = 2.0  # subtitles like to stay a little longer than the sound
_REACH_S = 1.0  # so far a turn may go beyond its subtitle: as far as half way to the next speaker's


def timed_of(path: Path, recording: Recording) -> Timed | None:
    """What a timed script says of a recording; no cue ends behind it. None for a file without times.

    ScriptError names file, and line where there is one.
    """
    suffix = path.suffix.lower()
    if suffix == ".textgrid":
        found = _of_tiers(path)
    elif suffix == ".eaf":
        found = _of_captions_by_tier(labels.elan_tiers(path), path)
    elif suffix in subtitles.SUFFIXES:
        found = said_in(subtitles.read_subtitles(path))
    else:
        found = _of_labels(path, samples_to_seconds(recording.num_samples, recording.sample_rate_hz))
    return None if found is None else replace(found, cues=tuple(_inside(found.cues, path.name, recording)))


def of_rows(rows: Sequence[ScriptRow], recording: Recording) -> Timed:
    """The cues of a table's rows about stretches of one recording."""
    captions = [
        Caption(row.where, row.start_s or 0.0, row.end_s or 0.0, (row.text,), row.text, row.speaker) for row in rows if row.text
    ]
    found = said_in(captions, subtitles=False)
    return replace(found, cues=tuple(_inside(found.cues, "", recording)))


def cues_of(path: Path, recording: Recording) -> tuple[Cue, ...]:
    """The cues of a script that has times."""
    found = timed_of(path, recording)
    if found is None:
        raise ScriptError(f"{path.name} has no times.", "Give subtitles or a TextGrid.")
    return tuple(cue for _, cue in found.cues)


def joined(cues: Iterable[Cue]) -> str:
    return spoken.joined(normalise(cue.text) for cue in cues if normalise(cue.text))


def turns_of(cues: Sequence[Cue], duration_s: float) -> tuple[SpeakerTurn, ...]:
    """Who speaks when, where every cue says whose it is; () otherwise. A turn reaches a little beyond its cue, not into
    another's."""
    if not cues or not all(cue.speaker for cue in cues):
        return ()
    ordered = sorted(cues, key=lambda c: (c.start_s, c.end_s))
    turns: list[SpeakerTurn] = []
    for number, cue in enumerate(ordered):
        others = [c for c in ordered if c.speaker != cue.speaker]
        before_s = max((c.end_s for c in others if c.end_s <= cue.start_s), default=-_REACH_S)
        after_s = min((c.start_s for c in others[:] if c.start_s >= cue.end_s), default=duration_s + _REACH_S)
        start_s = max(0.0, cue.start_s - min(_REACH_S, (cue.start_s - before_s) / 2))
        end_s = min(duration_s, cue.end_s + min(_REACH_S, (after_s - cue.end_s) / 2))
        same = turns and turns[-1].speaker == cue.speaker and turns[-1].end_s >= start_s
        if same and number:
            turns[-1] = replace(turns[-1], end_s=max(turns[-1].end_s, end_s))
        else:
            turns.append(SpeakerTurn(cue.speaker, start_s, end_s))
    return tuple(turn for turn in turns if turn.end_s > turn.start_s)


def _of_tiers(path: Path) -> Timed:
    tiers, aside = spoken_tiers(read_textgrid(path), path.name)
    several = len(tiers) > 1
    named: list[tuple[str, tuple[Caption, ...]]] = []
    for tier in tiers:
        what = f"tier {tier.name!r}, interval" if several else "interval"
        found = [
            Caption(f"{what} {n}", i.start_s, i.end_s, (normalise(i.text),), i.text) for n, i in enumerate(tier.intervals, 1)
        ]
        named.append((tier.name, tuple(found)))
    made = _of_captions_by_tier(named, path)
    words = f"{path.name}: {', '.join(repr(t.name) for t in aside[:3])} {'was' if len(aside) == 1 else 'were'} not read"
    return replace(made, remarks=(words,)) if aside else made


def _of_captions_by_tier(tiers: Sequence[tuple[str, Sequence[Caption]]], path: Path) -> Timed:
    """The cues of all tiers in order of time, each its tier's."""
    if not tiers:
        raise ScriptError(f"{path.name} has no tier with texts.", "Give one that has.")
    if all(labels.are_phonemes(captions) for _, captions in tiers):
        raise NoTableError(f"{path.name} holds phonemes, not words.", "Give the words.")
    parts = [said_in([replace(c, speaker=name) for c in captions], subtitles=False) for name, captions in tiers]
    cues = sorted((cue for part in parts for cue in part.cues), key=lambda c: (c[1].start_s, c[1].end_s))
    return Timed(tuple(cues), tuple(mark for part in parts for mark in part.marks))


def _of_labels(path: Path, duration_s: float) -> Timed | None:
    if path.suffix.lower() in (".json", ".tsv", ".csv"):
        of_kind = labels.segments_in if path.suffix.lower() == ".json" else labels.rows_with_times
        found = of_kind(path, duration_s)
        return None if found is None else said_in(found)
    found = labels.label_captions(path)
    if found is not None and labels.are_phonemes(found):
        raise NoTableError(f"{path.name} holds phonemes, not words.", "Give the words.")
    return None if found is None else said_in(found, subtitles=False)


def _inside(found: Sequence[tuple[str, Cue]], name: str, recording: Recording) -> Iterable[tuple[str, Cue]]:
    """The cues, none of which ends behind the recording; one that is a point in time lasts until the next."""
    duration_s = samples_to_seconds(recording.num_samples, recording.sample_rate_hz)
    for number, (where, cue) in enumerate(found):
        if -_EARLY_S <= cue.start_s < 0:
            cue = replace(cue, start_s=0.0)
        if not 0 <= cue.start_s <= cue.end_s < math.inf:
            place = f"{name}, {where}" if name else where
            raise ScriptError(f"{place}: {cue.start_s:g} to {cue.end_s:g} s is no stretch of time.", "Correct its times.")
        if cue.end_s == cue.start_s < duration_s:
            later = (other.start_s for _, other in found[number + 1 :] if other.start_s > cue.start_s)
            cue = replace(cue, end_s=min(next(later, duration_s), duration_s))
        if cue.start_s >= duration_s or cue.end_s > duration_s + _LATE_S:
            place = f"{name}, {where}" if name else where
            problem = f"{place}: {cue.start_s:.2f} to {cue.end_s:.2f} s is behind the end of {recording.path}"
            raise ScriptError(f"{problem}, which is {duration_s:.2f} s long.", "Check that they belong together.")
        yield where, replace(cue, end_s=min(cue.end_s, duration_s))
