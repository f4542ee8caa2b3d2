"""How good a clip is, in numbers, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voicekit.audio import loudness_lufs
from voicekit.records import FloatArray, Grades, Verdict, Waveform
from voicekit.specs import PrepareSpec
from voicekit.timebase import seconds_to_samples

Spans = Sequence[tuple[float, float]]

MAX_SNR_DB = 60.0
_FRAME_S = 0.02
_GUARD_S = 0.05
_MIN_PAUSE_S = 0.2
_FLOOR_POWER = 1e-9
_FLAT_RUN = 3
_QUIETEST = 0.05


def measure(samples: FloatArray, sample_rate_hz: int, spans: Spans, noise_power: float, num_words: int, match: float) -> Grades:
    """Grades of a clip float32 [T] before any cleaning; `spans` are its stretches of speech, in seconds from its start."""
    speech_s = sum(b - a for a, b in spans)
    return Grades(
        snr_db=round(snr_db(samples, sample_rate_hz, spans, noise_power), 2),
        loudness_lufs=round(loudness_lufs(Waveform(samples[None], sample_rate_hz)), 2),
        clipped_ratio=round(clipped_ratio(samples), 5),
        speaking_rate_wps=round(num_words / speech_s, 3) if speech_s > 0 else 0.0,
        script_match=round(match, 4),
    )


def noise_power(samples: FloatArray, sample_rate_hz: int, spans: Spans) -> float:
    """Mean power between stretches of speech (median of frames, so that a cough does not count); if there is hardly a pause,
    the power of the quietest frames."""
    powers, is_speech, near_speech = _frames(samples, sample_rate_hz, spans)
    pauses = powers[~is_speech & ~near_speech]
    if len(pauses) * _FRAME_S >= _MIN_PAUSE_S:
        return float(np.median(pauses))
    return float(np.quantile(powers, _QUIETEST)) if len(powers) else 0.0


def snr_db(samples: FloatArray, sample_rate_hz: int, spans: Spans, noise: float) -> float:
    """Power of speech without the noise in it, against the noise; at most MAX_SNR_DB."""
    powers, is_speech, _ = _frames(samples, sample_rate_hz, spans)
    if not is_speech.any():
        return 0.0
    noise = max(noise, _FLOOR_POWER)
    speech = max(float(powers[is_speech].mean()) - noise, _FLOOR_POWER)
    return float(np.clip(10.0 * np.log10(speech / noise), -MAX_SNR_DB, MAX_SNR_DB))


def clipped_ratio(samples: FloatArray) -> float:
    """Share of samples in flat tops: three or more neighbours at full scale, or at the clip's own peak."""
    level = np.abs(samples)
    peak = float(level.max(initial=0.0))
    if peak < 0.01:
        return 0.0
    at_top = level >= min(peak - 1.5 / 32768, 0.999)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at_top, [False]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= _FLAT_RUN].sum() / len(samples))


def judge(grades: Grades, duration_s: float, spec: PrepareSpec, aligned: bool) -> tuple[Verdict, str]:
    """Verdict and, for a rejected clip, the first reason in plain words."""
    reason = ""
    if duration_s < spec.min_clip_s:
        reason = f"too short: {duration_s:.1f} s of at least {spec.min_clip_s:g} s"
    elif duration_s > spec.max_clip_s:
        reason = f"too long: {duration_s:.1f} s of at most {spec.max_clip_s:g} s, and no pause to cut at"
    elif grades.clipped_ratio > spec.max_clipped_ratio:
        reason = f"clipped: {100 * grades.clipped_ratio:.1f} % of samples"
    elif grades.snr_db < spec.min_snr_db:
        reason = f"too quiet against noise: {grades.snr_db:.0f} dB"
    elif not aligned:
        reason = "script does not match: its words could not be found in the audio"
    elif grades.script_match < spec.min_script_match:
        reason = f"script does not match: {grades.script_match:.2f} of at least {spec.min_script_match:g}"
    return (Verdict.REJECTED if reason else Verdict.ACCEPTED), reason


def _frames(samples: FloatArray, sample_rate_hz: int, spans: Spans) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Of each frame of 20 ms: mean power, whether it is speech, whether speech is near."""
    size = seconds_to_samples(_FRAME_S, sample_rate_hz)
    count = len(samples) // size
    powers = np.square(samples[: count * size].reshape(count, size)).mean(axis=1)
    middles = (np.arange(count) + 0.5) * size / sample_rate_hz
    is_speech, near_speech = np.zeros(count, bool), np.zeros(count, bool)
    for start_s, end_s in spans:
        is_speech |= (middles >= start_s) & (middles < end_s)
        near_speech |= (middles >= start_s - _GUARD_S) & (middles < end_s + _GUARD_S)
    return powers, is_speech, near_speech
