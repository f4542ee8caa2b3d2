"""Whether something beats time in the pauses of speech: drums hold no notes, but their hits come at multiples of one time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voicekit.audio import frame_powers
from voicekit.prepare.spans import Span
from voicekit.records import FloatArray

AUDIBLE_DB = 30.0
"""Hits that much quieter than the speech do not count."""
_FRAME_S = 0.016
_GUARD_S = 0.1
_ABOVE_DB, _RISE_DB = 10.0, 6.0
_APART_S = 0.08
_SLOWEST_HZ, _FASTEST_HZ = 0.8, 5.0
_WINDOW_S = 120.0
_FEWEST = 8
_BY_CHANCE = 1e-3
_INAUDIBLE = 1e-12


def beat(mono: FloatArray, rate_hz: int, spans: Sequence[Span]) -> float:
    """0..1: how exactly the hits in the pauses keep time (float32 [T], speech in `spans`); 0 where that may be chance.

    The mean length of the hits' phases at the best tempo (Rayleigh's test), in windows of two minutes; of several windows most
    must have a beat. Typing, breaths and clicks keep no time.
    """
    size = int(_FRAME_S * rate_hz)
    if size == 0 or len(mono) < 3 * size:
        return 0.0
    powers = frame_powers(mono, size).astype(np.float64)
    middles_s = (np.arange(len(powers)) + 0.5) * size / rate_hz
    pause, speech = np.ones(len(powers), bool), np.zeros(len(powers), bool)
    for start_s, end_s in spans:
        pause &= (middles_s < start_s - _GUARD_S) | (middles_s >= end_s + _GUARD_S)
        speech |= (middles_s >= start_s) & (middles_s < end_s)
    hits = _hits(powers, pause)
    hits = hits[np.diff(middles_s[hits], prepend=-1.0) > _APART_S]
    if len(hits) < _FEWEST or not speech.any():
        return 0.0
    if 10 * np.log10(powers[speech].mean() / powers[hits].mean()) > AUDIBLE_DB:
        return 0.0
    times_s = middles_s[hits]
    number = (times_s / _WINDOW_S).astype(int)
    windows = [times_s[number == n] for n in np.unique(number)]
    return float(np.median([_in_time(w) for w in windows if len(w) >= _FEWEST] or [0.0]))


def _hits(powers: NDArray[np.float64], pause: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Frames of pauses in which it is suddenly loud."""
    if not pause.any():
        return np.zeros(0, np.intp)
    level_db = 10 * np.log10(powers + _INAUDIBLE)
    before_db = np.minimum(level_db[:-2], level_db[1:-1])
    sudden = (level_db[2:] > np.median(level_db[pause]) + _ABOVE_DB) & (level_db[2:] > before_db + _RISE_DB)
    return np.flatnonzero(sudden & pause[2:] & pause[1:-1]) + 2


def _in_time(times_s: NDArray[np.float64]) -> float:
    length_s = max(1.0, float(times_s[-1] - times_s[0]))
    tempi_hz = np.arange(_SLOWEST_HZ, _FASTEST_HZ, 0.25 / length_s)
    together = np.abs(np.exp(2j * np.pi * np.outer(tempi_hz, times_s)).mean(axis=1))
    best = float(together.max())
    tried = max(1.0, length_s * (_FASTEST_HZ - _SLOWEST_HZ))
    return best if tried * np.exp(-len(times_s) * best**2) < _BY_CHANCE else 0.0
