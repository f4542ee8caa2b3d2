import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicekit.evaluate import statistics
from voicekit.records import Metric

NUMBERS = st.lists(st.floats(-10, 10, allow_nan=False), min_size=2, max_size=30)


def inside(metric: Metric) -> bool:
    return metric.low <= metric.value <= metric.high


@settings(max_examples=25)
@given(NUMBERS, st.integers(0, 5))
def test_the_interval_of_a_mean_contains_the_mean_and_stays_among_the_values(values: list[float], seed: int) -> None:
    found = statistics.mean(values, seed)
    assert inside(found)
    assert found.value == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= found.low and found.high <= max(values) + 1e-9
    assert found == statistics.mean(values, seed)


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = [m.low <= 3.0 <= m.high for m in (statistics.mean(list(rng.normal(3.0, 2.0, 40)), 0) for _ in range(150))]
    assert 0.88 <= np.mean(covered) <= 0.99


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_the_interval_of_a_share_contains_it_and_is_never_of_zero_width(hits: list[bool]) -> None:
    found = statistics.share(hits)
    assert inside(found) and 0.0 <= found.low < found.high <= 1.0
    assert found.value == pytest.approx(np.mean(hits)) and found.n == len(hits)


def test_wilson_values_of_a_textbook() -> None:
    found = statistics.share([True] * 9 + [False])
    assert (found.low, found.high) == (pytest.approx(0.596, abs=1e-3), pytest.approx(0.982, abs=1e-3))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_a_ratio_of_two_shares_is_never_certain(pairs: list[tuple[bool, bool]]) -> None:
    """Six right answers of six were once a retention of "1.00 to 1.00"."""
    hits, others = [a for a, _ in pairs], [b for _, b in pairs]
    found = statistics.share_ratio(hits, others)
    if not any(others):
        assert math.isnan(found.value) and math.isnan(found.low)
        return
    assert inside(found) and 0.0 <= found.low < found.high and found.n == len(pairs)
    assert found.value == pytest.approx(sum(hits) / sum(others))


def test_a_ratio_of_two_shares_is_the_surer_the_more_is_asked() -> None:
    lows = [statistics.share_ratio([True] * n, [True] * n).low for n in (1, 6, 32, 120, 1000)]
    assert lows == sorted(lows) and lows[1] == pytest.approx(0.732, abs=1e-3) and 0.94 < lows[2] < 0.945 and lows[-1] < 1.0


def test_the_interval_of_a_ratio_of_two_shares_covers_the_truth() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        drawn = rng.choice(4, size=60, p=[0.6, 0.1, 0.15, 0.15])
        found = statistics.share_ratio([bool(d < 2) for d in drawn], [bool(d in (0, 2)) for d in drawn])
        covered += found.low <= 0.7 / 0.75 <= found.high
    assert 0.92 <= covered / 400 <= 0.99


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 9)), min_size=2, max_size=60))
def test_an_error_rate_is_never_certain(pairs: list[tuple[int, int]]) -> None:
    found = statistics.rate([e for e, _ in pairs], [n for _, n in pairs], 0)
    assert (
        inside(found)
        and found.low < found.high
        and found.value == pytest.approx(sum(e for e, _ in pairs) / sum(n for _, n in pairs))
    )
    alone = statistics.ratio([e for e, _ in pairs], [n for _, n in pairs], 0)
    assert found.low <= alone.low and alone.high <= found.high


def test_an_error_rate_beyond_one_is_no_share() -> None:
    assert statistics.rate([9, 12], [5, 6], 0) == statistics.ratio([9, 12], [5, 6], 0)


@pytest.mark.parametrize(
    ("metric", "digits", "scale", "shown"),
    [
        (Metric(1.0, 0.9984, 1.0, 2400), 2, 1.0, ("0.99", "1.00")),
        (Metric(0.0, 0.0, 0.0031, 1200), 0, 100.0, ("0", "1")),
        (Metric(0.5, 0.25, 0.75, 40), 2, 1.0, ("0.25", "0.75")),
        (Metric(0.29, 0.29, 0.57, 40), 0, 100.0, ("29", "57")),
        (Metric(1.0, math.nan, math.nan, 1), 2, 1.0, None),
    ],
)
def test_an_interval_is_rounded_outwards(metric: Metric, digits: int, scale: float, shown: tuple[str, str] | None) -> None:
    assert metric.shown_interval(digits, scale) == shown


def test_pairing_narrows_the_interval_of_a_ratio() -> None:
    rng = np.random.default_rng(0)
    base = (rng.random(200) < 0.6).astype(float)
    voice = base.copy()
    voice[np.flatnonzero(base)[:4]] = 0
    paired, apart = (
        statistics.ratio(list(voice), list(base), 0),
        statistics.ratio_of_ratios(list(voice), [1.0] * 200, list(base), [1.0] * 200, 0),
    )
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)
    assert inside(paired) and inside(apart)


def test_what_cannot_be_known_is_not_a_number() -> None:
    for nothing in (statistics.mean([], 0), statistics.share([]), statistics.ratio([1.0, 1.0], [0.0, 0.0], 0)):
        assert math.isnan(nothing.value) and math.isnan(nothing.low)
    assert math.isnan(statistics.ratio_of_ratios([], [], [1.0], [1.0], 0).value)
    single = statistics.mean([2.0], 0)
    assert single.value == 2.0 and math.isnan(single.low) and single.n == 1


HISTOGRAM = st.lists(st.integers(0, 20), min_size=6, max_size=6).filter(any)


@settings(max_examples=50)
@given(HISTOGRAM, HISTOGRAM)
def test_jensen_shannon_is_a_symmetric_distance_between_equal_and_disjoint(p: list[int], q: list[int]) -> None:
    a, b = np.array(p, float), np.array(q, float)
    there, back = statistics.jensen_shannon(a, b), statistics.jensen_shannon(b, a)
    assert there == pytest.approx(back, abs=1e-12)
    assert 0.0 <= there <= math.log(2) + 1e-12
    assert statistics.jensen_shannon(a, 3 * a) == pytest.approx(0.0, abs=1e-12)
    assert statistics.jensen_shannon(np.append(a, 0 * b), np.append(0 * a, b)) == pytest.approx(math.log(2))


def test_jensen_shannon_of_a_case_worked_by_hand() -> None:
    expected = 0.75 * math.log(4 / 3) - 0.25 * math.log(0.25) - 0.5 * math.log(2)
    assert statistics.jensen_shannon(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(expected)


def test_token_divergence_pools_the_utterances_and_knows_its_uncertainty() -> None:
    rng = np.random.default_rng(1)
    low, high = ([rng.integers(a, a + 50, 40) for _ in range(20)] for a in (0, 25))
    same, other = statistics.token_divergence(low, low, 100, 0), statistics.token_divergence(low, high, 100, 0)
    assert same.value == pytest.approx(0.0) and other.value > 0.2
    assert inside(same) and inside(other) and same.high < other.low
    assert math.isnan(statistics.token_divergence([], low, 100, 0).value)
    assert math.isnan(statistics.token_divergence([np.zeros(0, np.int64)] * 3, low, 100, 0).value)
