"""Where speech goes over into somebody else's: what is kept of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicekit.ports import Reading
from voicekit.prepare.loudness import Loudness
from voicekit.prepare.spans import Span, common, merged
from voicekit.prepare.turnover import Said, WordsIn, drawn_back
from voicekit.records import Word


def talking(*spans: Span, length_s: float = 8.0) -> Loudness:
    """Loud in the spans, quiet outside."""
    times_s = np.arange(int(length_s / 0.005)) * 0.005
    return Loudness(np.array([1.0 if any(a <= t < b for a, b in spans) else 1e-6 for t in times_s], np.float32))


QUIET = 1e-6


def nothing(start_s: float, end_s: float) -> Sequence[Said]:
    return ()


def said(word: Word, reading: Reading | None = None, moved_s: float = 0.0) -> Said:
    return Said(word, word.start_s + moved_s, word.end_s + moved_s, reading)


def kept(spans: Sequence[Span], others: Sequence[Span], loudness: Loudness) -> list[Span]:
    return drawn_back(spans, others, loudness, QUIET, nothing)[0]


PAUSES = talking((0.5, 1.0), (1.2, 3.0), (3.2, 5.0))


def test_where_no_word_is_surely_heard_speech_ends_at_its_last_pause_and_the_rest_is_left() -> None:
    assert drawn_back([(0.5, 4.0)], [(4.0, 5.0)], PAUSES, QUIET, nothing) == (
        [pytest.approx((0.5, 3.0))],
        [pytest.approx((3.2, 4.0))],
    )
    assert kept([(0.5, 4.0)], [(0.0, 0.5)], PAUSES) == [pytest.approx((1.2, 4.0))]
    assert kept([(0.5, 4.0)], [(4.3, 5.0)], PAUSES) == [(0.5, 4.0)], "there is a pause between them"
    assert kept([(0.5, 4.9)], [(0.0, 0.5), (4.9, 5.5)], PAUSES) == [pytest.approx((1.2, 3.0))]
    assert drawn_back([(1.3, 2.7)], [(2.7, 4.0)], PAUSES, QUIET, nothing) == ([], [(1.3, 2.7)]), "it may be a part of a word"


def test_a_stop_inside_a_word_is_no_pause() -> None:
    """Of the dips of 80 ms a fifth were closed mouths inside a word, and speech ended there."""
    stop = talking((0.5, 2.0), (2.085, 5.0))
    assert kept([(0.5, 4.0)], [(4.0, 5.0)], stop) == []


WORDS = tuple(Word(f"w{i}", 0.5 + 0.5 * i, 0.98 + 0.5 * i) for i in range(8))  # up to 4.48 s, without a pause between them
WITHOUT_A_PAUSE = talking(*((w.start_s, w.end_s) for w in WORDS))
EVERYTHING = (0.5, 4.08)  # somebody goes on in the middle of a word


def among(words: Sequence[Said]) -> WordsIn:
    return lambda a, b: [w for w in words if a <= w.word.start_s and w.word.end_s <= b]


def hearing(*doubted: int) -> WordsIn:
    """With nobody who reads along."""
    return among([said(replace(w, confidence=0.3 if i in doubted else 0.9)) for i, w in enumerate(WORDS)])


def reading(confidence: float, letters: float = 0.9, parted: float = 0.9, moved_s: float = 0.0) -> WordsIn:
    """The same of every word, but for what is said of the space before the last that could count, and of where it is."""
    words = [replace(w, confidence=confidence) for w in WORDS]
    return among([said(w, Reading(letters, parted if i == 6 else 0.9), moved_s if i == 6 else 0.0) for i, w in enumerate(words)])


def ends_at(words_in: WordsIn) -> float:
    ((_, end_s),), _ = drawn_back([EVERYTHING], [(4.08, 6.0)], WITHOUT_A_PAUSE, QUIET, words_in)
    return end_s


def test_it_ends_after_the_last_word_that_is_surely_its_own() -> None:
    """Up to its last pause alone a quarter of what two people said was lost: sentences have none."""
    ((_, end_s),), ((rest_s, _),) = drawn_back([EVERYTHING], [(4.08, 6.0)], WITHOUT_A_PAUSE, QUIET, hearing())
    assert end_s == rest_s == pytest.approx(3.49, abs=0.02), "the next word ends nearer to the change than it is known"
    ((start_s, _),), _ = drawn_back([EVERYTHING], [(0.0, 0.5)], WITHOUT_A_PAUSE, QUIET, hearing())
    assert start_s == pytest.approx(0.99, abs=0.02)


def test_between_words_that_may_be_misheard_nothing_is_cut() -> None:
    ((_, end_s),), _ = drawn_back([EVERYTHING], [(4.08, 6.0)], WITHOUT_A_PAUSE, QUIET, hearing(6))
    assert end_s == pytest.approx(2.99, abs=0.02)
    assert drawn_back([EVERYTHING], [(4.08, 6.0)], WITHOUT_A_PAUSE, QUIET, hearing(*range(8))) == ([], [EVERYTHING])


def test_what_two_hear_counts_though_neither_is_sure_by_itself() -> None:
    """Where the transcriber is sure it is wrong as often in a hall; that two mishear the same is rare."""
    assert ends_at(reading(0.1)) == pytest.approx(3.49, abs=0.02)
    assert ends_at(reading(0.9, letters=0.25)) == pytest.approx(3.49, abs=0.02)
    neither = drawn_back([EVERYTHING], [(4.08, 6.0)], WITHOUT_A_PAUSE, QUIET, reading(0.1, letters=0.25))
    assert neither == ([], [EVERYTHING])


def test_an_edge_that_only_one_hears_is_none() -> None:
    assert ends_at(reading(0.9, parted=0.4)) == pytest.approx(2.99, abs=0.02), "a compound in two"
    assert ends_at(reading(0.9, moved_s=0.3)) == pytest.approx(2.99, abs=0.02), "a word was left out beside it"


def test_a_cut_stays_at_the_edge_of_the_words_though_it_is_quieter_in_the_next() -> None:
    """A stop closes the mouth 30 ms into its word."""
    powers = WITHOUT_A_PAUSE.powers.copy()
    powers[int(3.49 / 0.005) : int(3.5 / 0.005)] = 0.5
    powers[int(3.52 / 0.005) : int(3.53 / 0.005)] = 1e-9
    ((_, end_s),), _ = drawn_back([EVERYTHING], [(4.08, 6.0)], Loudness(powers), QUIET, hearing())
    assert end_s < 3.51


def test_a_pause_is_as_quiet_as_where_nobody_speaks() -> None:
    """Over a telephone an s in a word is 25 dB below its vowels."""
    hissed = Loudness(np.where(PAUSES.powers < 0.5, np.float32(1e-3), PAUSES.powers))
    assert drawn_back([(0.5, 4.0)], [(4.0, 5.0)], hissed, 1e-4, nothing) == ([], [(0.5, 4.0)])
    assert drawn_back([(0.5, 4.0)], [(4.0, 5.0)], hissed, 1e-3, nothing)[0] == [pytest.approx((0.5, 3.0))]


def test_a_pause_behind_the_last_sure_word_is_better_and_nobody_listens_to_what_it_cannot_use() -> None:
    late = talking((0.5, 3.8), (4.0, 5.0))

    def unasked(start_s: float, end_s: float) -> Sequence[Said]:
        raise AssertionError

    assert drawn_back([EVERYTHING], [(4.08, 6.0)], late, QUIET, unasked)[0] == [pytest.approx((0.5, 3.8))]


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
    mine, left = drawn_back([span], others, loud, QUIET, among([said(w) for w in words]))
    assert not common(merged(mine), merged(left))
    for edge_s in (t for s in mine for t in s if t not in span):
        assert not any(w.start_s + 0.05 < edge_s < w.end_s - 0.05 for w in words)
    if not before and not behind:
        assert mine == [span]
