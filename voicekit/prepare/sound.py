"""A recording listened to: where its speaker talks, where others do, where it is quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicekit.ports import VoiceActivityDetector
from voicekit.prepare import grade
from voicekit.prepare.loudness import Loudness, smoothed, step_samples
from voicekit.prepare.scripts.script import Cue
from voicekit.prepare.spans import Span, common, merged, without
from voicekit.prepare.track import EAR_RATE_HZ, Track
from voicekit.records import FloatArray, Recording, Waveform
from voicekit.timebase import seconds_to_samples

_SHORTEST_S = 0.01


@dataclass(frozen=True, eq=False)
class Heard:
    """What is known of a recording before it is cut.

    `track` is the recording, or a cleaned one in its place (of the same length), at the recording's rate. `speech` is where
    anybody talks (None: not listened for yet), `allowed_spans` where the wanted speaker does (None: everywhere),
    `overlapped_spans` where somebody talks at the same time, `cues` texts with their times. All in seconds of the recording.
    """

    track: Track
    speech: tuple[Span, ...] | None = None
    allowed_spans: tuple[Span, ...] | None = None
    overlapped_spans: tuple[Span, ...] = ()
    cues: tuple[Cue, ...] = ()


@dataclass(frozen=True, eq=False)
class Sound:
    """`speech` is all of it, `mine` the wanted speaker's alone, `others` that of somebody else alone, `both` where two talk at
    once."""

    recording: Recording
    track: Track
    speech: tuple[Span, ...]
    mine: tuple[Span, ...]
    others: tuple[Span, ...]
    both: tuple[Span, ...]
    noise_power: float
    loudness: Loudness
    cues: tuple[Cue, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.track.duration_s

    def between(self, start_s: float, end_s: float) -> FloatArray:
        """float32 [T] at the recording's rate."""
        return self.track.between(start_s, end_s)

    def without_others(self, start_s: float, end_s: float) -> Waveform:
        """A stretch in which nobody but the wanted speaker is heard (the rest is silence), at EAR_RATE_HZ."""
        heard = self.track.heard(start_s, end_s)
        for a, b in self.others:
            if b > start_s and a < end_s:
                first, after = (seconds_to_samples(max(t - start_s, 0.0), EAR_RATE_HZ) for t in (a, b))
                heard.samples[:, first:after] = 0.0
        return heard


def levels_of(track: Track) -> grade.Levels:
    size = grade.frame_samples(track.sample_rate_hz)
    return grade.Levels(track.powers(size), size / track.sample_rate_hz)


def listen(recording: Recording, heard: Heard, vad: VoiceActivityDetector) -> Sound:
    """Find the speech of a recording, if that is not done, and say whose it is."""
    track = heard.track
    speech = merged(vad.speech_spans(track.heard()) if heard.speech is None else heard.speech)
    both = common(speech, merged(heard.overlapped_spans))
    alone = without(speech, both)
    allowed = heard.allowed_spans
    mine = alone if allowed is None else common(alone, merged(allowed))
    others = [] if allowed is None else without(alone, merged(allowed))
    return Sound(
        recording=recording,
        track=track,
        speech=tuple(speech),
        mine=tuple(_real(mine)),
        others=tuple(_real(others)),
        both=tuple(both),
        noise_power=grade.noise_power(levels_of(track), speech),
        loudness=smoothed(track.powers(step_samples(track.sample_rate_hz))),
        cues=heard.cues,
    )


def _real(spans: Sequence[Span]) -> list[Span]:
    """Without what is left of speech where turns are told in round milliseconds."""
    return [s for s in spans if s[1] - s[0] >= _SHORTEST_S]
