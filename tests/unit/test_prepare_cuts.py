"""Where recordings are cut, how clips are graded, what is held out: pure decisions."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_speech import bursts, say
from voicekit.prepare import grade, segment
from voicekit.prepare.grade import clipped_ratio, judge, levels_of, noise_power, snr_db
from voicekit.prepare.loudness import Loudness, loudness_of
from voicekit.prepare.split import held_out_recordings
from voicekit.records import FloatArray, Grades, Transcript, Verdict, Word
from voicekit.specs import PrepareSpec

GOOD = Grades(snr_db=30.0, loudness_lufs=-20.0, clipped_ratio=0.0, speaking_rate_wps=2.5, script_match=0.9)


SILENT = Loudness(np.zeros(0, np.float32))


def spoken(*phrases: tuple[str, float]) -> list[Word]:
    """Words of 0.4 s, 0.02 s apart; each phrase is followed by a pause of so many seconds."""
    words: list[Word] = []
    now_s = 0.3
    for text, pause_s in phrases:
        for word in text.split():
            words.append(Word(word, now_s, now_s + 0.4))
            now_s += 0.42
        now_s += pause_s
    return words


def texts(words: list[Word], cuts: list[tuple[int, int]]) -> list[str]:
    return [" ".join(w.text for w in words[a:b]) for a, b in cuts]


def test_trim_keeps_a_tenth_of_a_second() -> None:
    assert segment.trim([(1.0, 2.0), (3.0, 4.0)], 6.0) == pytest.approx((0.9, 4.1))
    assert segment.trim([(0.05, 4.0)], 4.02) == pytest.approx((0.0, 4.02))
    assert segment.trim([], 4.0) is None


def test_a_long_recording_is_cut_after_sentences_rather_than_elsewhere() -> None:
    words = spoken(
        ("one two three four five six seven eight,", 0.5),
        ("nine ten eleven twelve.", 0.2),
        ("a b c d e f", 0.6),
        ("g h i j k l m n.", 0.3),
        ("p q r s t u v w x.", 0.0),
    )
    cuts = segment.cut_at_words(words, 9.0)
    assert [t[-1] for t in texts(words, cuts)] == ["."] * len(cuts)
    assert len(cuts) == 3


def test_a_clause_end_is_better_than_a_pause_inside_one() -> None:
    words = spoken(("a b c d e f g h", 0.5), ("i j,", 0.3), ("k l m n o p q r.", 0.0))
    assert texts(words, segment.cut_at_words(words, 6.0)) == ["a b c d e f g h i j,", "k l m n o p q r."]


def test_without_a_pause_nothing_is_cut() -> None:
    words = spoken(("a b c. d e f. g h i j k l m n o p q r", 0.0))
    assert segment.cut_at_words(words, 3.0) == [(0, len(words))]


def test_a_long_silence_is_never_inside_a_clip() -> None:
    words = spoken(("a b c", 4.0), ("d e f.", 0.0))
    assert texts(words, segment.cut_at_words(words, 15.0)) == ["a b c", "d e f."]


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(0.0, 1.5), st.sampled_from(["a", "a,", "a."])), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
)
def test_cuts_use_every_word_once_and_never_touch_one(shapes: list[tuple[float, float, str]], seed: int) -> None:
    words: list[Word] = []
    now_s = 0.2
    for length_s, gap_s, text in shapes:
        words.append(Word(text, now_s, now_s + length_s))
        now_s += length_s + gap_s
    cuts = segment.cut_at_words(words, 5.0)
    loudness = Loudness(np.random.default_rng(seed).random(int(now_s / 0.005)).astype(np.float32))
    assert list(itertools.chain(*(range(a, b) for a, b in cuts))) == list(range(len(words)))
    edges = [segment.clip_edges(words, a, b, (0.0, now_s), loudness, 5.0) for a, b in cuts]
    for (start_s, end_s), (a, b) in zip(edges, cuts, strict=True):
        assert start_s <= words[a].start_s and end_s >= words[b - 1].end_s
        if end_s - start_s > 5.0 + 1e-6:
            assert all(words[i].start_s - words[i - 1].end_s < segment.MIN_GAP_S for i in range(a + 1, b))
    for left, right in itertools.pairwise(edges):
        assert left[1] <= right[0] + 1e-9


def test_speech_without_a_script_is_joined_up_to_a_good_length() -> None:
    spans = [(1.0, 3.0), (3.5, 5.0), (9.0, 12.0), (12.1, 20.0)]
    assert segment.cut_at_pauses(spans, 15.0, 21.0, SILENT) == [
        pytest.approx((0.9, 5.1)),
        pytest.approx((8.9, 12.05)),
        pytest.approx((12.05, 20.1)),
    ]


def test_speech_that_is_too_long_is_parted_where_it_is_silent_and_nowhere_else() -> None:
    words = say("a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3, edge_s=0.0, noise=0.0)
    whole = [(0.0, words.duration_s)]
    assert segment.cut_at_pauses(whole, 12.0, words.duration_s, loudness_of(words.samples[0], 16_000)) == whole
    talk = say("a b c d e f g h i j k l m n o p q r s. " * 4, pause_s=0.14, edge_s=0.0, noise=0.0)
    level = loudness_of(talk.samples[0], 16_000)
    cut = segment.cut_at_pauses([(0.0, talk.duration_s)], 12.0, talk.duration_s, level)
    assert len(cut) == 4 and all(b - a <= 12.0 for a, b in cut)
    spoken_s = bursts(talk)
    for a, b in cut:
        assert all(not (start < edge < end) for edge in (a, b) for start, end in spoken_s)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.floats(0.1, 6.0), st.floats(0.05, 1.5)), min_size=1, max_size=20),
    st.lists(st.floats(0.0, 60.0), max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_every_stretch_of_speech_is_wholly_in_one_clip(
    shapes: list[tuple[float, float]], breaks_s: list[float], seed: int
) -> None:
    spans: list[tuple[float, float]] = []
    now_s = 0.3
    for length_s, gap_s in shapes:
        spans.append((now_s, now_s + length_s))
        now_s += length_s + gap_s
    others = [(a, a + 0.02) for a in sorted(breaks_s) if not any(s - 0.03 < a < e for s, e in spans)]
    loudness = Loudness(np.random.default_rng(seed).random(int(now_s / 0.005)).astype(np.float32))
    cut = segment.cut_at_pauses(spans, 7.0, now_s, loudness, others)
    assert cut == sorted(cut) and all(left[1] <= right[0] + 1e-9 for left, right in itertools.pairwise(cut))
    for span in spans:
        assert sum(a <= span[0] + 1e-9 and span[1] <= b + 1e-9 for a, b in cut) == 1
    assert not any(a < start_s and end_s < b for a, b in cut for start_s, end_s in others)
    assert all(b - a <= 7.0 + 1e-6 for a, b in cut)


def test_a_short_pause_is_cut_at_its_quietest_point() -> None:
    powers = np.full(600, 1.0, np.float32)
    powers[198:204] = 0.01  # at one second, in a pause from 0.92 to 1.08
    words = [Word("a", 0.3, 0.92), Word("b", 1.08, 1.6)]
    left = segment.clip_edges(words, 0, 1, (0.0, 3.0), Loudness(powers))
    right = segment.clip_edges(words, 1, 2, (0.0, 3.0), Loudness(powers))
    assert left[1] == pytest.approx(1.0, abs=0.02) and left[1] <= right[0] <= 1.02


def test_an_edge_in_the_middle_of_sound_moves_out_to_where_it_is_quiet() -> None:
    powers = np.full(600, 1e-6, np.float32)
    powers[60:246] = 1.0  # the word goes on until 1.23 s, whatever its times say
    start_s, end_s = segment.clip_edges([Word("a", 0.3, 1.1)], 0, 1, (0.0, 3.0), Loudness(powers))
    assert end_s == pytest.approx(1.23, abs=0.011) and start_s == pytest.approx(0.2, abs=1e-6)


def noisy(level_db: float) -> tuple[FloatArray, list[tuple[float, float]]]:
    """Bursts with a power `level_db` above white noise."""
    clean = say("a b c d e f, g h i j k l.", noise=0.0)
    spans = bursts(clean)
    samples = clean.samples[0]
    speech = np.concatenate([samples[int(a * 16_000) : int(b * 16_000)] for a, b in spans])
    noise = np.random.default_rng(0).standard_normal(len(samples)) * np.sqrt(np.mean(speech**2) / 10 ** (level_db / 10))
    return (samples + noise).astype(np.float32), spans


def _snr_db(samples: FloatArray, spans: list[tuple[float, float]]) -> float:
    levels = levels_of(samples, 16_000)
    return snr_db(levels, spans, noise_power(levels, spans))


@pytest.mark.parametrize("level_db", [0.0, 5.0, 20.0, 40.0])
def test_snr_is_that_of_speech_against_the_noise(level_db: float) -> None:
    samples, spans = noisy(level_db)
    assert _snr_db(samples, spans) == pytest.approx(level_db, abs=1.0)


def test_snr_without_pauses_and_without_noise_has_a_value() -> None:
    samples, _ = noisy(20.0)
    whole = [(0.0, len(samples) / 16_000)]
    assert 5.0 < _snr_db(samples, whole) < 25.0
    clean = say("a b c", noise=0.0)
    spans = bursts(clean)
    assert _snr_db(clean.samples[0], spans) == grade.MAX_SNR_DB
    assert _snr_db(np.zeros(16_000, np.float32), []) == 0.0


def test_clipping_is_flat_tops_at_any_level() -> None:
    t = np.arange(48_000) / 48_000
    speech = (0.5 * np.sin(2 * np.pi * 150 * t) * np.sin(2 * np.pi * 2 * t)).astype(np.float32)
    assert clipped_ratio(speech) < 0.001
    tops = np.clip(speech * 4, -1.0, 1.0)
    share = float(np.mean(np.abs(tops) >= 1.0))
    assert share > 0.2
    assert clipped_ratio(tops) == pytest.approx(share, rel=0.02)
    assert clipped_ratio(tops * np.float32(0.4)) == pytest.approx(share, rel=0.02)
    assert clipped_ratio(np.zeros(100, np.float32)) == 0.0


@pytest.mark.parametrize(
    ("changes", "duration_s", "aligned", "reason"),
    [
        ({}, 3.0, True, ""),
        ({}, 0.5, True, "too short: 0.5 s of at least 1 s"),
        ({}, 22.4, False, "too long: 22.4 s of at most 20 s, and no pause to cut at"),
        ({"clipped_ratio": 0.031}, 3.0, True, "clipped: 3.1 % of samples"),
        ({"snr_db": 4.2}, 3.0, True, "too quiet against noise: 4 dB"),
        ({"script_match": 0.31}, 3.0, True, "script does not match: 0.31 of at least 0.5"),
        ({"script_match": 0.0}, 3.0, False, "script does not match: its words could not be found in the audio"),
        ({"snr_db": 4.2, "script_match": 0.1}, 3.0, True, "too quiet against noise: 4 dB"),
        ({"overlap_ratio": 0.124}, 3.0, True, "two people speak at once: 12 % of it"),
        ({"srmr_db": 4.21}, 3.0, True, "too much echo: 4.2 dB of at least 6 dB"),
        ({"srmr_db": 4.21, "snr_db": 7.0}, 3.0, True, "too much echo: 4.2 dB of at least 6 dB"),
        ({"srmr_db": 4.21, "snr_db": 1.0}, 3.0, True, "too quiet against noise: 1 dB"),
        ({"speaking_rate_wps": 9.14}, 3.0, True, "too fast: 9.1 words a second, at most 8"),
    ],
)
def test_a_rejected_clip_has_one_plain_reason(changes: dict[str, float], duration_s: float, aligned: bool, reason: str) -> None:
    verdict = judge(Grades(**{**vars(GOOD), **changes}), duration_s, PrepareSpec(), aligned)
    assert verdict == ((Verdict.REJECTED if reason else Verdict.ACCEPTED), reason)


@pytest.mark.parametrize(
    ("setting", "grade_of_it", "reason"),
    [
        ("min_bandwidth_hz", {"bandwidth_hz": 4000.0}, "dull sound: nothing above 4.0 kHz, at least 5 kHz are needed"),
        ("min_predicted_mos", {"predicted_mos": 2.13}, "sounds bad: predicted MOS 2.1 of at least 3"),
        (
            "min_heard_match",
            {"heard_match": 0.4},
            "script does not match: 40 % of its words were heard, at least 60 % are needed",
        ),
    ],
)
def test_what_is_only_noted_by_default_rejects_where_a_recipe_says_so(
    setting: str, grade_of_it: dict[str, float], reason: str
) -> None:
    limits = {"min_bandwidth_hz": 5000.0, "min_predicted_mos": 3.0, "min_heard_match": 0.6}
    grades = Grades(**{**vars(GOOD), **grade_of_it})
    assert judge(grades, 3.0, PrepareSpec(), True) == (Verdict.ACCEPTED, "")
    assert judge(grades, 3.0, PrepareSpec().model_copy(update={setting: limits[setting]}), True) == (Verdict.REJECTED, reason)


def test_a_reason_names_the_words_that_differ() -> None:
    said = Transcript("one two", differences=(("two", "too"), ("", "three"), ("four", "")))
    _, reason = judge(replace(GOOD, script_match=0.3), 3.0, PrepareSpec(), True, said)
    assert reason.endswith("; heard too for two, three for nothing, nothing for four")


@given(st.dictionaries(st.text(min_size=1), st.floats(0.5, 600.0), min_size=2, max_size=40), st.floats(0.01, 0.5))
def test_some_recordings_are_held_out_but_never_all(seconds: dict[str, float], ratio: float) -> None:
    chosen = held_out_recordings(seconds, ratio)
    assert 1 <= len(chosen) < len(seconds)
    assert chosen == held_out_recordings(dict(reversed(seconds.items())), ratio)
    if len(chosen) > 1:
        assert sum(seconds[i] for i in chosen) <= 1.5 * ratio * sum(seconds.values()) + 1e-6


def test_about_the_asked_share_is_held_out() -> None:
    seconds = {f"recording {i}": 4.0 + i % 3 for i in range(100)}
    held = sum(seconds[i] for i in held_out_recordings(seconds, 0.1))
    assert 0.07 < held / sum(seconds.values()) < 0.13
    assert held_out_recordings({"one": 100.0}, 0.1) == frozenset()
    assert held_out_recordings(seconds, 0.0) == frozenset()
