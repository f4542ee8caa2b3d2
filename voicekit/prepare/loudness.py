"""Where a recording is quiet: its level every few milliseconds, and the best place to cut a pause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicekit.audio import frame_powers
from voicekit.prepare.spans import Span
from voicekit.records import FloatArray
from voicekit.timebase import seconds_to_samples

STEP_S = 0.005
_SMOOTH_STEPS = 5
_QUIET_FACTOR = 4.0  # 6 dB above the quietest is still quiet
_MIN_DIP_S = 0.1  # a stop inside a word closes the mouth for less: of dips of 80 ms a fifth are such
_DIP_BELOW_SPEECH = 10**-2.5
_SPEECH_QUANTILE = 0.8


@dataclass(frozen=True, eq=False)
class Loudness:
    """Mean power around every 5 ms of a recording: float32 [N]."""

    powers: FloatArray

    def quietest(self, start_s: float, end_s: float) -> float:
        """The time of the lowest level between two times; of equal ones the middle."""
        first, powers = self._between(start_s, end_s)
        if len(powers) == 0:
            return (start_s + end_s) / 2
        lowest = np.flatnonzero(powers <= powers.min())
        return min(max((first + int(lowest[len(lowest) // 2]) + 0.5) * STEP_S, start_s), end_s)

    def usual(self, start_s: float, end_s: float) -> float:
        """The median level between two times; 0 where there is none."""
        _, powers = self._between(start_s, end_s)
        return float(np.median(powers)) if len(powers) else 0.0

    def settled(self, start_s: float, towards_s: float) -> float:
        """The first time from one towards another (after or before it) at which it is about as quiet as between them."""
        first, powers = self._between(min(start_s, towards_s), max(start_s, towards_s))
        if len(powers) < 2:
            return start_s
        quiet = np.flatnonzero(powers <= _QUIET_FACTOR * powers.min())
        if towards_s >= start_s:
            return start_s if quiet[0] == 0 else min((first + int(quiet[0]) + 0.5) * STEP_S, towards_s)
        return start_s if quiet[-1] == len(powers) - 1 else max((first + int(quiet[-1]) + 0.5) * STEP_S, towards_s)

    def dips(self, start_s: float, end_s: float) -> list[Span]:
        """Pauses inside a stretch of speech: 25 dB below it for 0.1 s or more."""
        first, powers = self._between(start_s, end_s)
        if len(powers) == 0:
            return []
        quiet = powers <= _DIP_BELOW_SPEECH * float(np.quantile(powers, _SPEECH_QUANTILE))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
        times = [((first + int(a)) * STEP_S, (first + int(b)) * STEP_S) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return [(a, b) for a, b in times if b - a >= _MIN_DIP_S and a > start_s and b < end_s]

    def _between(self, start_s: float, end_s: float) -> tuple[int, FloatArray]:
        first = max(0, int(start_s / STEP_S))
        return first, self.powers[first : max(first, int(end_s / STEP_S))]


def step_samples(sample_rate_hz: int) -> int:
    """Samples in 5 ms."""
    return max(1, seconds_to_samples(STEP_S, sample_rate_hz))


def loudness_of(samples: FloatArray, sample_rate_hz: int) -> Loudness:
    """Of float32 [T]."""
    return smoothed(frame_powers(samples, step_samples(sample_rate_hz)))


def smoothed(powers: FloatArray) -> Loudness:
    """Of the mean power of every 5 ms: float32 [N]."""
    if len(powers) == 0:
        return Loudness(powers)
    padded = np.pad(powers, _SMOOTH_STEPS // 2, mode="edge")
    return Loudness(np.convolve(padded, np.ones(_SMOOTH_STEPS) / _SMOOTH_STEPS, "valid").astype(np.float32))
