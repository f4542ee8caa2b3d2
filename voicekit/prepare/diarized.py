"""Whose recording it is: pure decisions on the turns a diarizer found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from voicekit.errors import RecordingsError, UsageError
from voicekit.ports import SpeakerEncoder
from voicekit.prepare.band import ALIKE_THERE, narrowed
from voicekit.prepare.spans import Span, merged, total_s, without
from voicekit.records import FloatArray, SpeakerTurn, Waveform
from voicekit.timebase import seconds_to_samples

LISTEN_S = 6.0
MIN_LIKENESS = 0.65
CLEAR_LEAD = 0.05
_EMBEDDED_S = 60.0


@dataclass(frozen=True)
class SpeakerSummary:
    """One speaker of a recording: seconds in which they speak (`alone_s` of them without anybody else), their share of all
    speech, and a stretch to listen to, of at most LISTEN_S, in which they speak alone if there is one."""

    speaker: str
    speech_s: float
    alone_s: float
    share: float
    listen: Span


def summaries(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerSummary, ...]:
    """Every speaker, who speaks most first."""
    all_s = sum(total_s(spans_of(turns, speaker)) for speaker in _speakers(turns))
    made: list[SpeakerSummary] = []
    for speaker in _speakers(turns):
        own, alone = spans_of(turns, speaker), solo(turns, speaker)
        start_s, end_s = max(alone or own, key=lambda span: span[1] - span[0])
        share = total_s(own) / all_s if all_s > 0 else 0.0
        listen = (start_s, min(end_s, start_s + LISTEN_S))
        made.append(SpeakerSummary(speaker, round(total_s(own), 3), round(total_s(alone), 3), round(share, 4), listen))
    return tuple(sorted(made, key=lambda s: (-s.speech_s, s.speaker)))


def overlaps(turns: Sequence[SpeakerTurn]) -> tuple[Span, ...]:
    """Stretches in which two or more speakers speak, in order."""
    edges = sorted({t for turn in turns for t in (turn.start_s, turn.end_s)})
    found: list[Span] = []
    for start_s, end_s in pairwise(edges):
        if len({t.speaker for t in turns if t.start_s <= start_s and t.end_s >= end_s}) > 1:
            found.append((start_s, end_s))
    return tuple(merged(found))


def spans_of(turns: Sequence[SpeakerTurn], speaker: str) -> tuple[Span, ...]:
    """When a speaker speaks, in order, alone or not."""
    return tuple(merged((t.start_s, t.end_s) for t in turns if t.speaker == speaker))


def solo(turns: Sequence[SpeakerTurn], speaker: str) -> tuple[Span, ...]:
    """When a speaker speaks and nobody else does."""
    others = merged((t.start_s, t.end_s) for t in turns if t.speaker != speaker)
    return tuple(without(spans_of(turns, speaker), others))


def by_most_speech(turns: Sequence[SpeakerTurn]) -> str:
    """RecordingsError when nobody speaks."""
    found = summaries(turns)
    if not found:
        raise RecordingsError("Nobody speaks in the recordings.", "Give recordings of the speaker.")
    return found[0].speaker


def by_name(turns: Sequence[SpeakerTurn], speaker: str, where: str = "the recordings") -> str:
    """UsageError with the names there are if nobody is called so."""
    if speaker not in _speakers(turns):
        shown = ", ".join(f"{s.speaker} ({s.share:.0%} of the speech)" for s in summaries(turns)) or "nobody"
        raise UsageError(f"No speaker of {where} is called {speaker!r}.", f"There are: {shown}.")
    return speaker


def by_reference(likeness: Mapping[str, float]) -> str:
    """Whoever sounds most like the reference, by their cosines to it.

    RecordingsError if nobody does (below MIN_LIKENESS) or if two do (less than CLEAR_LEAD between them).
    """
    ranked = sorted(likeness, key=lambda speaker: (-likeness[speaker], speaker))
    shown = ", ".join(f"{speaker} {likeness[speaker]:.2f}" for speaker in ranked) or "nobody speaks"
    if not ranked or likeness[ranked[0]] < MIN_LIKENESS:
        raise RecordingsError(
            f"Nobody in the recordings sounds like the reference clip (likeness: {shown}; {MIN_LIKENESS:g} is needed).",
            "Give a clip of the right speaker, at least a few seconds alone, or name the speaker.",
        )
    if len(ranked) > 1 and likeness[ranked[0]] - likeness[ranked[1]] < CLEAR_LEAD:
        raise RecordingsError(
            f"Two speakers sound like the reference clip (likeness: {shown}).", "Listen to them and name the speaker."
        )
    return ranked[0]


def likeness_of(
    wave: Waveform, turns: Sequence[SpeakerTurn], encoder: SpeakerEncoder, reference: Waveform, embedded: FloatArray
) -> dict[str, float]:
    """The cosine of each speaker to the reference, `embedded` as it is; over a telephone, to the reference as that would have
    passed it, and as if it were one in full band."""
    voices = voices_of(wave, turns, encoder)
    narrow = narrowed(reference, _speech_of(wave, merged((t.start_s, t.end_s) for t in turns)))
    against, too_much = (embedded, 0.0) if narrow is None else (encoder.embed(narrow), ALIKE_THERE)
    return {speaker: round(float(voice @ against) - too_much, 4) for speaker, voice in voices.items()}


def voices_of(wave: Waveform, turns: Sequence[SpeakerTurn], encoder: SpeakerEncoder) -> dict[str, FloatArray]:
    """The embedding of each speaker, from up to a minute of what they say alone; who never speaks alone is left out."""
    made: dict[str, FloatArray] = {}
    for speaker in _speakers(turns):
        alone = sorted(solo(turns, speaker), key=lambda span: span[0] - span[1])
        voice = encoder.embed(_speech_of(wave, alone))
        if voice.any():
            made[speaker] = voice
    return made


def _speech_of(wave: Waveform, spans: Sequence[Span]) -> Waveform:
    """Up to a minute of the spans, in the order given."""
    mono, rate_hz = wave.mono(), wave.sample_rate_hz
    parts = [mono[seconds_to_samples(a, rate_hz) : seconds_to_samples(b, rate_hz)] for a, b in spans]
    samples = np.concatenate(parts)[: seconds_to_samples(_EMBEDDED_S, rate_hz)] if parts else np.zeros(0, np.float32)
    return Waveform(samples[None], rate_hz)


def _speakers(turns: Sequence[SpeakerTurn]) -> list[str]:
    """In the order in which they begin to speak."""
    return list(dict.fromkeys(t.speaker for t in sorted(turns, key=lambda t: (t.start_s, t.end_s, t.speaker))))
