"""Where speech goes over into somebody else's: what is kept of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicekit.prepare.loudness import Loudness
from voicekit.prepare.spans import Span, common, merged
from voicekit.prepare.turnover import WordsIn, drawn_back
from voicekit.records import Word


def talking(*spans: Span, length_s: float = 8.0) -> Loudness:
    """Loud in the spans, quiet outside."""
    times_s = np.arange(int(length_s / 0.005)) * 0.005
    return Loudness(np.array([1.0 if any(a <= t < b for a, b in spans) else 1e-6 for t in times_s], np.float32))


def nothing(start_s: float, end_s: float) -> Sequence[Word]:
    return ()


def kept(spans: Sequence[Span], others: Sequence[Span], loudness: Loudness) -> list[Span]:
    return drawn_back(spans, others, loudness, nothing)[0]


PAUSES = talking((0.5, 1.0), (1.2, 3.0), (3.2, 5.0))


def test_where_no_word_is_surely_heard_speech_ends_at_its_last_pause_and_the_rest_is_left() -> None:
    assert drawn_back([(0.5, 4.0)], [(4.0, 5.0)], PAUSES, nothing) == (
        [pytest.approx((0.5, 3.0))],
        [pytest.approx((3.2, 4.0))],
    )
    assert kept([(0.5, 4.0)], [(0.0, 0.5)], PAUSES) == [pytest.approx((1.2, 4.0))]
    assert kept([(0.5, 4.0)], [(4.3, 5.0)], PAUSES) == [(0.5, 4.0)], "there is a pause between them"
    assert kept([(0.5, 4.9)], [(0.0, 0.5), (4.9, 5.5)], PAUSES) == [pytest.approx((1.2, 3.0))]
    assert drawn_back([(1.3, 2.7)], [(2.7, 4.0)], PAUSES, nothing) == ([], [(1.3, 2.7)]), "it may be a part of a word"


def test_a_stop_inside_a_word_is_no_pause() -> None:
    """Of the dips of 80 ms a fifth were closed mouths inside a word, and speech ended there."""
    stop = talking((0.5, 2.0), (2.085, 5.0))
    assert kept([(0.5, 4.0)], [(4.0, 5.0)], stop) == []


WORDS = tuple(Word(f"w{i}", 0.5 + 0.5 * i, 0.98 + 0.5 * i) for i in range(8))  # up to 4.48 s, without a pause between them
WITHOUT_A_PAUSE = talking(*((w.start_s, w.end_s) for w in WORDS))
EVERYTHING = (0.5, 4.48)


def hearing(*doubted: int) -> WordsIn:
    def words_in(start_s: float, end_s: float) -> Sequence[Word]:
        words = [replace(w, confidence=0.3 if i in doubted else 0.9) for i, w in enumerate(WORDS)]
        return [w for w in words if start_s <= w.start_s and w.end_s <= end_s]

    return words_in


def test_it_ends_after_the_last_word_that_is_surely_its_own() -> None:
    """Up to its last pause alone a quarter of what two people said was lost: sentences have none."""
    ((_, end_s),), ((rest_s, _),) = drawn_back([EVERYTHING], [(4.48, 6.0)], WITHOUT_A_PAUSE, hearing())
    assert end_s == rest_s == pytest.approx(3.49, abs=0.02), "the next word ends nearer to the change than it is known"
    ((start_s, _),), _ = drawn_back([EVERYTHING], [(0.0, 0.5)], WITHOUT_A_PAUSE, hearing())
    assert start_s == pytest.approx(1.49, abs=0.02)


def test_between_words_that_may_be_misheard_nothing_is_cut() -> None:
    ((_, end_s),), _ = drawn_back([EVERYTHING], [(4.48, 6.0)], WITHOUT_A_PAUSE, hearing(6))
    assert end_s == pytest.approx(2.99, abs=0.02)
    assert drawn_back([EVERYTHING], [(4.48, 6.0)], WITHOUT_A_PAUSE, hearing(*range(8))) == ([], [EVERYTHING])


def test_a_pause_behind_the_last_sure_word_is_better_and_nobody_listens_to_what_it_cannot_use() -> None:
    late = talking((0.5, 3.8), (4.0, 5.0))

    def unasked(start_s: float, end_s: float) -> Sequence[Word]:
        raise AssertionError

    assert drawn_back([EVERYTHING], [(4.48, 6.0)], late, unasked)[0] == [pytest.approx((0.5, 3.8))]


@given(
    st.lists(st.tuples(st.floats(0.1, 0.8), st.floats(0.0, 0.3), st.floats(0.0, 1.0)), min_size=1, max_size=15),
    st.booleans(),
    st.booleans(),
)
def test_what_is_kept_and_what_is_left_never_share_and_a_word_that_is_surely_heard_is_whole(
    shapes: list[tuple[float, float, float]], before: bool, behind: bool
) -> None:
    words, now_s = list[Word](), 0.5
    for length_s, gap_s, confidence in shapes:
        words.append(Word("la", now_s, now_s + length_s, confidence))
        now_s += length_s + gap_s
    span = (0.5, words[-1].end_s)
    others = [(0.0, 0.5)] * before + [(span[1], span[1] + 1.0)] * behind
    loud = talking(*((w.start_s, w.end_s) for w in words), length_s=now_s + 2.0)
    mine, left = drawn_back([span], others, loud, lambda a, b: [w for w in words if a <= w.start_s and w.end_s <= b])
    assert not common(merged(mine), merged(left))
    for edge_s in (t for s in mine for t in s if t not in span):
        assert not any(w.start_s + 0.05 < edge_s < w.end_s - 0.05 for w in words)
    if not before and not behind:
        assert mine == [span]
