"""Which of a recording's channels carry the voice, and how they become one; and sound that was cut off at the top, also where a
codec has smoothed it since. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_Counts = NDArray[np.int64]

STEPS = 2_000
"""Steps in which `piled_up` wants levels counted, from 0 to full scale."""

_FRAME_S = 0.02
# Within so much of a level, samples pile up where a codec smoothed what was cut off there.
_AROUND = 0.04
_PILE = 1.7  # against the levels below: speech has 0.5 to 1.2, cut off at its double level 2 to 14
_SLOPE = 1.1  # of speech: low levels are more frequent than high ones; of a tone it is the other way round
_LEAST_PILE, _FEWEST_STEPS = 0.003, 50

_SILENT_DB, _FAR_DB = -70.0, 20.0
_NOISIER_DB, _CLEAN_DB = 10.0, 60.0
_SAME_SOUND, _OPPOSITE = 0.3, -0.5
_ONLY_NOISE_DB = 10.0
_CLIPPED = 0.01


def piled_up(counts: _Counts, total: int) -> float:
    """Share of `total` samples that were cut off at one level, by how often each level (of one sign) occurs: int64 [STEPS].

    Speech has fewer samples the higher the level. What was cut off piles up at one level; a codec (mp3, aac, opus) spreads it a
    little around that, so that no two neighbours are equal any more.
    """
    highest = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 0
    if highest < _FEWEST_STEPS or total == 0:
        return 0.0
    below = np.concatenate([[0], np.cumsum(counts)])
    levels = np.arange(0.4, 1.001, 0.02) * highest

    def between(low: float, high: float) -> _Counts:
        ends = (np.clip(np.round(levels * part), 0, len(counts)).astype(int) for part in (low, high))
        first, after = (below[end] for end in ends)
        return after - first

    at, under = between(1 - _AROUND, 1 + _AROUND), between(1 - 3 * _AROUND, 1 - _AROUND)
    over = below[-1] - below[np.clip(np.round(levels * (1 + _AROUND)), 0, len(counts)).astype(int)]
    like_speech = between(0.2, 0.4) >= _SLOPE * between(0.6, 0.8)
    found = (at >= _LEAST_PILE * total) & (over < at) & (at >= _PILE * under) & like_speech
    return float((at + over - under)[found].max(initial=0)) / total


def counted_levels(samples: _Floats) -> tuple[_Counts, _Counts]:
    """How often each level occurs among float32 [T], of what is positive and of what is negative: int64 [STEPS] each."""
    steps = np.clip(np.abs(samples) * STEPS, 0, STEPS - 1).astype(np.int64)
    return tuple(np.bincount(steps[side], minlength=STEPS) for side in (samples > 0, samples < 0))  # type: ignore[return-value]


class ChannelStatistics:
    """What is to be known of the channels of a recording, gathered block by block."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._frame = max(1, round(_FRAME_S * sample_rate_hz))
        self._rest: _Floats | None = None
        self._powers: list[_Floats] = []
        self._products: NDArray[np.float64] | None = None
        self._counts: NDArray[np.int64] | None = None
        self._total = 0

    def add(self, samples: _Floats) -> None:
        """The next samples, float32 [C, n]."""
        channels = len(samples)
        if self._products is None:
            self._products, self._counts = np.zeros((channels, channels)), np.zeros((channels, 2, STEPS), np.int64)
        assert self._counts is not None
        self._products += samples @ samples.T
        for number, channel in enumerate(samples):
            self._counts[number] += np.stack(counted_levels(channel))
        self._total += samples.shape[1]
        joined = samples if self._rest is None else np.concatenate([self._rest, samples], axis=1)
        whole = joined.shape[1] // self._frame * self._frame
        frames = joined[:, :whole].reshape(channels, -1, self._frame)
        self._powers.append((np.einsum("cij,cij->ci", frames, frames) / self._frame).astype(np.float32))
        self._rest = joined[:, whole:].copy()

    def weights(self) -> tuple[_Floats | None, str]:
        """(float32 [C] by which the channels are added up, what was left out or turned round). (None, ""): their mean is right.

        Left out are silent channels, those that hiss or are cut off where another carries the same sound without, and noise
        alone. A channel of opposite phase is turned round: in the mean it would take the voice away.
        """
        if self._products is None or len(self._products) == 1 or self._total < self._frame:
            return None, ""
        levels_db = 10 * np.log10(np.maximum(np.concatenate(self._powers, axis=1), 1e-12))
        loud_db, quiet_db = np.quantile(levels_db, 0.98, axis=1), np.quantile(levels_db, 0.1, axis=1)
        best = int(loud_db.argmax())
        if loud_db[best] < _SILENT_DB:
            return None, ""
        why: dict[int, str] = {}
        for number, level_db in enumerate(loud_db):
            if level_db < max(_SILENT_DB, loud_db[best] - _FAR_DB):
                why[number] = "silent"
        self._leave_noisy(why, np.minimum(loud_db - quiet_db, _CLEAN_DB))
        kept = self._leave_clipped(why)
        signs, best = np.ones(len(loud_db), np.float32), max(kept, key=lambda n: loud_db[n])
        for number in kept:
            if self._likeness(best, number) < _OPPOSITE:
                signs[number] = -1.0
        turned = [n for n in kept if signs[n] < 0]
        if not why and not turned:
            return None, ""
        weights = np.zeros(len(signs), np.float32)
        weights[kept] = signs[kept] / len(kept)
        return weights, _in_words(why, turned)

    def _likeness(self, one: int, other: int) -> float:
        """The correlation of two channels."""
        assert self._products is not None
        power = self._products[one, one] * self._products[other, other]
        return float(self._products[one, other] / np.sqrt(power)) if power > 0 else 0.0

    def _leave_noisy(self, why: dict[int, str], range_db: _Floats) -> None:
        left = [n for n in range(len(range_db)) if n not in why]
        clean = max(left, key=lambda n: range_db[n])
        for number in left:
            noisier = range_db[number] < range_db[clean] - _NOISIER_DB
            same = abs(self._likeness(clean, number)) >= _SAME_SOUND
            if noisier and (same or range_db[number] < _ONLY_NOISE_DB):
                why[number] = "noisy"

    def _leave_clipped(self, why: dict[int, str]) -> list[int]:
        """The channels that are kept: of those cut off at the top the best alone, and none where another is whole."""
        assert self._counts is not None
        kept = [n for n in range(len(self._counts)) if n not in why]
        cut = {n: sum(piled_up(side, self._total) for side in self._counts[n]) for n in kept}
        clipped = [n for n in kept if cut[n] > _CLIPPED]
        if clipped and len(kept) > 1:
            spared = min(kept, key=lambda n: cut[n])
            alike = [n for n in clipped if n != spared and abs(self._likeness(spared, n)) >= _SAME_SOUND]
            why.update(dict.fromkeys(alike, "clipped"))
        return [n for n in kept if n not in why]


def weights_of(blocks: Iterable[_Floats], sample_rate_hz: int) -> _Floats | None:
    """How the channels of float32 [C, n], block by block, are added up; None for their mean (see ChannelStatistics)."""
    statistics = ChannelStatistics(sample_rate_hz)
    for block in blocks:
        statistics.add(block)
    return statistics.weights()[0]


def mixed(samples: _Floats, weights: _Floats | None) -> _Floats:
    """float32 [T] of float32 [C, T]: the mean of the channels, or what the weights make of them."""
    if len(samples) == 1:
        return samples[0]
    return samples.mean(axis=0, dtype=np.float32) if weights is None else (weights @ samples).astype(np.float32)


def _in_words(why: dict[int, str], turned: list[int]) -> str:
    said = [f"channel {number + 1} is {reason} and was left out" for number, reason in sorted(why.items())]
    return "; ".join(said + [f"channel {number + 1} has the opposite phase and was turned round" for number in turned])
