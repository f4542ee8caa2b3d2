"""Numbers with their 95 % intervals: seeded bootstrap over items, vectorised; Wilson's interval for plain shares, and what was
made of it for two shares of the same items and for shares of words. A bootstrap of equal items has no width, as if six right
answers proved that there is no wrong one: no interval of a share is made by it alone.

Every interval contains its value. Over no items a value is NaN; over a single item its interval is NaN, for one item says
nothing about the spread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voicekit.records import FloatArray, IntArray, Metric

Floats = NDArray[np.float64]

RESAMPLES = 2000
_Z = 1.959964
_NOTHING = Metric(math.nan, math.nan, math.nan, 0)


def share(hits: Sequence[bool]) -> Metric:
    """The share of true items, with Wilson's interval (never of zero width, unlike a bootstrap of equal items)."""
    n = len(hits)
    if n == 0:
        return _NOTHING
    p = sum(hits) / n
    low, high = _wilson(p, n)
    return Metric(p, min(low, p), max(high, p), n)


def share_ratio(hits: Sequence[bool], others: Sequence[bool]) -> Metric:
    """The share of true items over another share of the same items, with the interval of Bonett and Price (2006, Statistics in
    Medicine 25): Wilson's for each share, narrowed by what both have in common. Items that are true of neither say nothing."""
    both = sum(a and b for a, b in zip(hits, others, strict=True))
    top, bottom = sum(hits), sum(others)
    if not hits or bottom == 0:
        return Metric(math.nan, math.nan, math.nan, len(hits))
    either = top + bottom - both
    p_top, p_bottom = (top + 1) / (either + 2), (bottom + 1) / (either + 2)
    of_ratio = math.sqrt((top + bottom - 2 * both + 2) / ((top + 1) * (bottom + 1)))
    of_each = math.sqrt((1 - p_top) / ((either + 2) * p_top)) + math.sqrt((1 - p_bottom) / ((either + 2) * p_bottom))
    z = _Z * of_ratio / of_each
    (top_low, top_high), (bottom_low, bottom_high) = _wilson(top / either, either, z), _wilson(bottom / either, either, z)
    value = top / bottom
    return Metric(value, min(top_low / bottom_high, value), max(top_high / bottom_low, value), len(hits))


def rate(errors: Sequence[float], lengths: Sequence[float], seed: int) -> Metric:
    """Errors over lengths, such as a word error rate: resampled by item, but never narrower than Wilson's interval of as many
    words, each by itself. Beyond 1 it is no share, and the resampled interval stands alone."""
    found, n = ratio(errors, lengths, seed), sum(lengths)
    if not (math.isfinite(found.low) and math.isfinite(found.high)) or found.value > 1:
        return found
    low, high = _wilson(found.value, round(n))
    return Metric(found.value, min(low, found.low), max(high, found.high), found.n)


def _wilson(p: float, n: int, z: float = _Z) -> tuple[float, float]:
    """Wilson's score interval of a share of n items."""
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean(values: Sequence[float], seed: int) -> Metric:
    return ratio(values, [1.0] * len(values), seed)


def ratio(numerators: Sequence[float], denominators: Sequence[float], seed: int) -> Metric:
    """Sum over sum, both of the same items, which are resampled together: a paired interval."""
    if not numerators:
        return _NOTHING
    top, bottom = np.array(numerators, np.float64), np.array(denominators, np.float64)
    counts = _resampled(len(top), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _metric(float(_over(top.sum(), bottom.sum())), _over(counts @ top, counts @ bottom), len(top))


def ratio_of_ratios(
    numerators: Sequence[float],
    denominators: Sequence[float],
    to_numerators: Sequence[float],
    to_denominators: Sequence[float],
    seed: int,
) -> Metric:
    """(sum / sum of one set of items) / (sum / sum of another); the two sets are resampled apart. n is the first set's."""
    if not (numerators and to_numerators):
        return _NOTHING
    tops = [np.array(values, np.float64) for values in (numerators, to_numerators)]
    bottoms = [np.array(values, np.float64) for values in (denominators, to_denominators)]
    counts = [_resampled(len(top), seed + i) for i, top in enumerate(tops)]
    value = _over(_over(tops[0].sum(), bottoms[0].sum()), _over(tops[1].sum(), bottoms[1].sum()))
    resampled = [_over(c @ top, c @ bottom) for c, top, bottom in zip(counts, tops, bottoms, strict=True)]
    return _metric(float(value), _over(resampled[0], resampled[1]), min(len(top) for top in tops))


def cosine(a: FloatArray, b: FloatArray) -> float:
    """Of two vectors; 0 where one of them is nothing."""
    return float(a @ b / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b))))


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon divergence in nats (0 equal, ln 2 disjoint) of histograms float64 [..., K]; NaN if one is empty."""
    p = np.asarray(_over(p, p.sum(axis=-1, keepdims=True)))
    q = np.asarray(_over(q, q.sum(axis=-1, keepdims=True)))
    return np.maximum(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2, 0.0)


def token_divergence(tokens: Sequence[IntArray], others: Sequence[IntArray], num_codes: int, seed: int) -> Metric:
    """Jensen-Shannon divergence in nats between the pooled token histograms of two sets of utterances.

    A resampled histogram has more holes than the one it comes from, which pushes the divergence up; the interval is the
    spread of the resampled divergences moved back onto the value.
    """
    if not (tokens and others):
        return _NOTHING
    histograms = [_histograms(tokens, num_codes), _histograms(others, num_codes)]
    value = float(jensen_shannon(histograms[0].sum(axis=0), histograms[1].sum(axis=0)))
    resampled = jensen_shannon(*(_resampled(len(h), seed + i) @ h for i, h in enumerate(histograms)))
    centred = np.clip(resampled - np.mean(resampled) + value, 0.0, math.log(2))
    return _metric(value, centred, min(len(h) for h in histograms))


def _histograms(tokens: Sequence[IntArray], num_codes: int) -> Floats:
    counted = [np.bincount(t, minlength=num_codes)[:num_codes] for t in tokens]
    return np.array(counted, np.float64).reshape(len(tokens), num_codes)


def _entropy(p: Floats) -> Floats:
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)


def _over(top: Floats | float, bottom: Floats | float) -> Floats:
    """Quotient, NaN where the divisor is 0."""
    divisor = np.asarray(bottom, np.float64)
    return np.asarray(top, np.float64) / np.where(divisor == 0, np.nan, divisor)


def _resampled(n: int, seed: int) -> Floats:
    """How often each of n items is drawn, float64 [RESAMPLES, n]; n > 0."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def _metric(value: float, resampled: Floats, n: int) -> Metric:
    usable = resampled[np.isfinite(resampled)]
    if n < 2 or not math.isfinite(value) or len(usable) == 0:
        return Metric(value, math.nan, math.nan, n)
    low, high = np.percentile(usable, [2.5, 97.5])
    return Metric(value, min(float(low), value), max(float(high), value), n)
