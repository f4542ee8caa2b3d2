"""A recording listened to: where its speaker talks, where others do, where it is quiet."""

from __future__ import annotations

from dataclasses import dataclass

from voicekit.audio import resample, without_offset
from voicekit.ports import VoiceActivityDetector
from voicekit.prepare import grade
from voicekit.prepare.loudness import Loudness, loudness_of
from voicekit.prepare.scripts.script import Cue
from voicekit.prepare.spans import Span, common, merged, without
from voicekit.records import FloatArray, Recording, Waveform
from voicekit.timebase import samples_to_seconds, seconds_to_samples


@dataclass(frozen=True, eq=False)
class Heard:
    """What is known of a recording before it is cut.

    `wave` is the recording, or a cleaned one in its place (of the same length; any rate). `allowed_spans` are where the wanted
    speaker talks (None: everywhere), `overlapped_spans` where somebody talks at the same time, `cues` texts with their times.
    All in seconds of the recording.
    """

    wave: Waveform
    allowed_spans: tuple[Span, ...] | None = None
    overlapped_spans: tuple[Span, ...] = ()
    cues: tuple[Cue, ...] = ()


@dataclass(frozen=True, eq=False)
class Sound:
    """`samples` float32 [T] at the recording's own rate, without offset. `speech` is all of it, `mine` the wanted speaker's
    alone, `others` that of somebody else alone, `both` where two talk at once."""

    recording: Recording
    samples: FloatArray
    speech: tuple[Span, ...]
    mine: tuple[Span, ...]
    others: tuple[Span, ...]
    both: tuple[Span, ...]
    noise_power: float
    loudness: Loudness
    cues: tuple[Cue, ...] = ()

    @property
    def duration_s(self) -> float:
        return samples_to_seconds(len(self.samples), self.recording.sample_rate_hz)

    def between(self, start_s: float, end_s: float) -> FloatArray:
        rate_hz = self.recording.sample_rate_hz
        return self.samples[seconds_to_samples(start_s, rate_hz) : seconds_to_samples(end_s, rate_hz)]

    def without_others(self, start_s: float, end_s: float) -> Waveform:
        """A stretch in which nobody but the wanted speaker is heard: the rest is silence."""
        samples = self.between(start_s, end_s).copy()
        rate_hz = self.recording.sample_rate_hz
        for a, b in self.others:
            if b > start_s and a < end_s:
                samples[seconds_to_samples(max(a - start_s, 0.0), rate_hz) : seconds_to_samples(b - start_s, rate_hz)] = 0.0
        return Waveform(samples[None], rate_hz)


def listen(recording: Recording, heard: Heard, vad: VoiceActivityDetector) -> Sound:
    """Find the speech of a recording and say whose it is."""
    wave = resample(heard.wave, recording.sample_rate_hz)
    samples = without_offset(wave.mono())
    speech = merged(vad.speech_spans(Waveform(samples[None], wave.sample_rate_hz)))
    both = common(speech, merged(heard.overlapped_spans))
    alone = without(speech, both)
    allowed = heard.allowed_spans
    mine = alone if allowed is None else common(alone, merged(allowed))
    return Sound(
        recording=recording,
        samples=samples,
        speech=tuple(speech),
        mine=tuple(mine),
        others=() if allowed is None else tuple(without(alone, merged(allowed))),
        both=tuple(both),
        noise_power=grade.noise_power(samples, wave.sample_rate_hz, speech),
        loudness=loudness_of(samples, wave.sample_rate_hz),
        cues=heard.cues,
    )
