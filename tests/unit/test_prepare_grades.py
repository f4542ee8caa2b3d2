"""What is measured of a clip's sound and words: known causes give known numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_speech import bursts, say
from tests.makers import clip
from voicekit import audio
from voicekit.prepare.acoustics import bandwidth_hz, srmr_db
from voicekit.prepare.grade import clipped_ratio
from voicekit.prepare.matching import differences
from voicekit.prepare.spans import Span, common, inside, merged, total_s, without
from voicekit.prepare.speakers import compared, similarities
from voicekit.records import FloatArray, Verdict, Waveform
from voicekit.specs import PrepareSpec, Recipe

READER = Path(__file__).parents[1] / "golden" / "reader"


@cache
def reader() -> tuple[FloatArray, int]:
    """About six seconds of a real reader, dry."""
    waves = [audio.read(p) for p in sorted(READER.glob("*.flac"))]
    rest = np.zeros(waves[0].sample_rate_hz // 4, np.float32)
    return np.concatenate([part for w in waves for part in (w.mono(), rest)]), waves[0].sample_rate_hz


def through(samples: FloatArray, rates_hz: tuple[int, ...]) -> FloatArray:
    """Resampled from rate to rate."""
    wave = Waveform(samples[None], rates_hz[0])
    for rate_hz in rates_hz[1:]:
        wave = audio.resample(wave, rate_hz)
    return wave.samples[0]


def in_room(samples: FloatArray, rate_hz: int, decay_s: float, direct_db: float) -> FloatArray:
    """In a room that falls by 60 dB in `decay_s`, the direct sound `direct_db` above the rest: noise that dies away."""
    rng, t = np.random.default_rng(1), np.arange(int(1.2 * decay_s * rate_hz)) / rate_hz
    response = rng.standard_normal(len(t)) * 10 ** (-3 * t / decay_s)
    response[: rate_hz // 500] = 0.0
    response *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    size = len(samples) + len(response)
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)].astype(np.float32)


def noisy(samples: FloatArray, snr_db: float) -> FloatArray:
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
    return (samples + level * np.random.default_rng(2).standard_normal(len(samples))).astype(np.float32)


def spans_of(samples: FloatArray, rate_hz: int) -> list[Span]:
    return merged((a, b + 0.02) for a, b in bursts(Waveform(samples[None], rate_hz)))


@pytest.mark.parametrize("noise_db", [None, 40.0, 20.0])
def test_a_telephone_call_is_known_in_a_file_of_any_rate(noise_db: float | None) -> None:
    samples, rate_hz = reader()
    spans = spans_of(samples, rate_hz)
    wide, call = through(samples, (rate_hz, 48_000)), through(samples, (rate_hz, 8_000, 48_000))
    if noise_db is not None:
        wide, call = noisy(wide, noise_db), noisy(call, noise_db)
    assert bandwidth_hz(wide, 48_000, spans) >= 7_000
    assert 3_250 <= bandwidth_hz(call, 48_000, spans) <= 4_250


def test_bandwidth_never_passes_half_the_rate_and_is_nothing_without_speech() -> None:
    samples, rate_hz = reader()
    at_8k = through(samples, (rate_hz, 8_000))
    assert 3_000 <= bandwidth_hz(at_8k, 8_000, spans_of(samples, rate_hz)) <= 4_000
    assert bandwidth_hz(samples, rate_hz, []) == 0.0
    assert bandwidth_hz(np.zeros(100, np.float32), 16_000, [(0.0, 0.1)]) == 0.0


def test_the_more_a_room_rings_the_lower_is_the_ratio() -> None:
    samples, rate_hz = reader()
    dry = srmr_db(samples, rate_hz)
    rooms = [srmr_db(in_room(samples, rate_hz, decay_s, 0.0), rate_hz) for decay_s in (0.3, 0.6, 1.3, 2.5)]
    values = [v for v in (dry, *rooms) if v is not None]
    assert len(values) == 5 and values == sorted(values, reverse=True)
    assert values[0] > 11.0 and values[0] - values[2] > 2.0
    limit = PrepareSpec().min_srmr_db
    church = srmr_db(in_room(samples, rate_hz, 2.5, -6.0), rate_hz)
    assert church is not None and church < limit < values[2], "a living room is taken, a church from afar is not"


def test_the_ratio_does_not_know_level_rate_or_a_telephone() -> None:
    samples, rate_hz = reader()
    plain = srmr_db(samples, rate_hz)
    assert srmr_db(0.05 * samples, rate_hz) == pytest.approx(plain, abs=0.01)
    assert srmr_db(through(samples, (rate_hz, 48_000)), 48_000) == pytest.approx(plain, abs=0.3)
    assert srmr_db(noisy(samples, 20.0), rate_hz) == pytest.approx(plain, abs=2.0)


def test_too_little_and_nothing_have_no_ratio() -> None:
    assert srmr_db(say("a b").samples[0, :4_000], 16_000) is None
    assert srmr_db(np.zeros(32_000, np.float32), 16_000) is None


@pytest.mark.parametrize(
    ("text", "heard", "differing", "share"),
    [
        ("Hello, World!", "hello world", (), 1.0),
        ("In 1984, he came.", "in nineteen eighty four he came", (), 1.0),
        ("In 1984, he came.", "in nineteen ninety four he came", (("1984,", "ninety"),), 5 / 6),
        ("one two three", "one three", (("two", ""),), 2 / 3),
        ("one three", "one two three", (("", "two"),), 1.0),
        ("one two", "", (("one two", ""),), 0.0),
        ("the red house", "a red mouse", (("the", "a"), ("house", "mouse")), 1 / 3),
    ],
)
def test_script_and_ear_are_compared_word_by_word(
    text: str, heard: str, differing: tuple[tuple[str, str], ...], share: float
) -> None:
    assert differences(text, heard, "en") == (differing, pytest.approx(share))


@given(st.lists(st.sampled_from("one two three four".split())), st.lists(st.sampled_from("one two three four".split())))
def test_equal_words_and_only_they_have_no_differences(said: list[str], heard: list[str]) -> None:
    differing, share = differences(" ".join(said), " ".join(heard), "en")
    assert (differing == ()) == (said == heard) and 0.0 <= share <= 1.0


def voices(*of: int, spread: float = 0.25) -> FloatArray:
    """Unit vectors around one centre a speaker."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((3, 64))
    rows = np.stack([c / np.linalg.norm(c) + spread * rng.standard_normal(64) / 8 for c in centres[list(of)]])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_visitor_is_unlike_the_rest_however_the_clips_are_ordered() -> None:
    who = (0, 0, 1, 0, 0, 0, 1, 0, 0)
    rows = voices(*who)
    found = similarities(rows, np.ones(len(who), bool))
    assert found is not None
    assert min(s for s, w in zip(found, who, strict=True) if w == 0) > 0.85
    assert max(s for s, w in zip(found, who, strict=True) if w == 1) < 0.4
    turned = similarities(rows[::-1], np.ones(len(who), bool))
    assert turned is not None and np.allclose(turned[::-1], found, atol=0.02)


def test_four_clips_of_ten_may_be_a_visitors_and_rejected_ones_are_not_asked() -> None:
    rows = voices(0, 0, 0, 0, 0, 0, 1, 1, 1, 1)
    found = similarities(rows, np.ones(10, bool))
    assert found is not None and found[:6].min() > 0.8 > 0.4 > found[6:].max()
    crowd = voices(0, 0, *[1] * 8)
    among_two = similarities(crowd, np.array([True] * 2 + [False] * 8))
    assert among_two is not None and among_two[:2].min() > 0.8 > 0.4 > among_two[2:].max()


def test_one_clip_is_compared_with_nothing() -> None:
    assert similarities(voices(0, 1), np.array([True, False])) is None


def test_another_speaker_is_rejected_with_both_numbers_and_the_rest_is_graded() -> None:
    clips = [clip(0), clip(1), clip(2), clip(3, verdict=Verdict.REJECTED, reason="too short")]
    one, _, other, short = compared(clips, [0.83, 0.83, 0.41, 0.3], PrepareSpec())
    assert (other.verdict, other.reason) == (Verdict.REJECTED, "another speaker: similarity 0.41, the rest has 0.83")
    assert one.verdict is Verdict.ACCEPTED and one.grades.speaker_similarity == 0.83
    assert short.reason == "too short" and short.grades.speaker_similarity == 0.3
    to_reference = compared(clips[2:3], [0.41], PrepareSpec(), to_reference=True)
    assert to_reference[0].reason == "another speaker: similarity 0.41 to the reference"


Spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8).map(
    lambda pairs: merged((float(min(p)), float(max(p))) for p in pairs)
)


@given(Spans, Spans)
def test_spans_are_sets_of_seconds(one: list[Span], two: list[Span]) -> None:
    def seconds(spans: list[Span]) -> set[int]:
        return {second for a, b in spans for second in range(int(a), int(b))}

    assert seconds(common(one, two)) == seconds(one) & seconds(two)
    assert seconds(without(one, two)) == seconds(one) - seconds(two)
    assert total_s(one) == len(seconds(one))
    assert seconds(inside(one, 10.0, 20.0)) == {s - 10 for s in seconds(one) if 10 <= s < 20}


def test_a_recipe_that_names_no_new_threshold_keeps_its_digest() -> None:
    assert PrepareSpec().digest() == "022254a56fdd9325a61c3f7207e83508e8440c5164449a14bffbbf6ddc8efcda"
    stricter = Recipe(prepare=PrepareSpec(min_srmr_db=8.0))
    assert stricter.digest() != Recipe().digest()
    assert Recipe.model_validate(stricter.model_dump(mode="json")) == stricter
    assert Recipe.model_validate_json(Recipe().model_dump_json()) == Recipe()


def in_bits(samples: FloatArray, bits: int) -> FloatArray:
    return (np.round(samples * 2 ** (bits - 1)) / 2 ** (bits - 1)).clip(-1, 1 - 2 ** (1 - bits)).astype(np.float32)


@pytest.mark.parametrize("peak", [0.3, 0.9])
@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("offset", [0.0, 0.003])
def test_coarse_steps_are_not_clipping_and_clipping_is_seen_through_them(peak: float, bits: int, offset: float) -> None:
    samples, rate_hz = reader()
    whole = samples / np.abs(samples).max() * peak
    smooth = through(whole.astype(np.float32), (rate_hz, 48_000))
    assert clipped_ratio(in_bits(smooth, bits) + np.float32(offset)) < 0.001
    top = 0.25 * peak
    cut = np.clip(smooth, -top, top)
    share = float((np.abs(smooth) > top).mean())
    assert share > 0.01 and clipped_ratio(in_bits(cut, bits) + np.float32(offset)) > 0.4 * share


@pytest.mark.parametrize("hz", [110.0, 1000.0])
def test_a_tone_in_eight_bits_is_not_clipped_but_a_cut_one_is(hz: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000).astype(np.float32)
    assert clipped_ratio(in_bits(0.7 * tone, 8)) == 0.0
    assert clipped_ratio(in_bits(0.7 * np.clip(tone, -0.9, 0.9), 8)) > 0.2
