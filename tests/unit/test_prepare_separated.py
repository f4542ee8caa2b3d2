"""Clean speech is left alone, noise is taken away, music is separated."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from voicekit.prepare.grade import levels_of
from voicekit.prepare.separated import Background, Cleaning, background_of, cleaned, cleaning_for
from voicekit.prepare.spans import Span
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import seconds_to_samples

RATE_HZ = 16_000
SPANS = [(float(start), start + 1.2) for start in range(0, 12, 2)]
SECONDS = 12


@dataclass
class Leveller:
    """A separator that knows how loud a block is: what it makes of a sample depends on all others of the block."""

    name: str = "leveller"
    block_s: float = 3.0
    overlap_s: float = 0.5
    warm_up_s: float = 0.0
    lengths: list[int] = field(default_factory=list[int])

    def separate(self, wave: Waveform) -> Waveform:
        self.lengths.append(wave.num_samples)
        return Waveform(wave.samples / np.abs(wave.samples).max(initial=0.1), wave.sample_rate_hz)


def whole(pieces: Iterator[Waveform]) -> FloatArray:
    return np.concatenate([piece.samples for piece in pieces], axis=1)


def at_once(wave: Waveform, separator: Leveller) -> FloatArray:
    """What all blocks add up to, in an array as long as the sound."""
    block, overlap = (seconds_to_samples(s, wave.sample_rate_hz) for s in (separator.block_s, separator.overlap_s))
    total, fade = wave.num_samples, (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    made = np.zeros_like(wave.samples)
    for start in range(0, max(1, total - overlap), block - overlap):
        end = min(start + block, total)
        first = max(0, end - block)
        given = Waveform(wave.samples[:, first:end], wave.sample_rate_hz)
        piece = separator.separate(given).samples[:, start - first :].copy()
        if start > 0:
            piece[:, :overlap] *= fade
        if end < total:
            piece[:, -overlap:] *= fade[::-1]
        made[:, start:end] += piece
    return made


BLOCK, STEP = 3_000, 2_500


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "length",
    [1, 400, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + STEP - 1, BLOCK + STEP, BLOCK + STEP + 1, 10_007],
)
def test_what_comes_in_pieces_is_sample_for_sample_what_is_made_at_once(length: int, channels: int) -> None:
    samples = np.random.default_rng(length).standard_normal((channels, length)).astype(np.float32)
    before = samples.copy()
    pieces = list(cleaned(lambda a, b: samples[:, a:b], length, 1_000, Leveller()))
    assert np.array_equal(whole(iter(pieces)), at_once(Waveform(samples, 1_000), Leveller()))
    assert all(0 < p.num_samples <= BLOCK and p.sample_rate_hz == 1_000 for p in pieces)
    assert np.array_equal(samples, before)


def test_no_more_than_a_block_is_asked_for_and_no_block_before_it_is_wanted() -> None:
    separator, asked = Leveller(), list[int]()

    def read(start: int, end: int) -> FloatArray:
        asked.append(end - start)
        return np.ones((1, end - start), np.float32)

    pieces = cleaned(read, 10_007, 1_000, separator)
    assert asked == []
    for count, _ in enumerate(pieces, 1):
        assert len(asked) == count
    assert set(asked) == {BLOCK} and asked == separator.lengths and len(asked) == 4


def test_what_changes_nothing_is_joined_without_a_seam() -> None:
    even = np.sign(noise()[None, : 10 * 1_000])  # equally loud everywhere
    made = whole(cleaned(lambda a, b: even[:, a:b], even.shape[1], 1_000, Leveller()))
    assert np.allclose(made, even, atol=1e-6)


class Late:
    """A separator that only finds out after a second what is to be taken away: until then it gives silence."""

    name = "late"
    block_s, overlap_s, warm_up_s = 4.0, 0.5, 1.0

    def separate(self, wave: Waveform) -> Waveform:
        made = wave.samples.copy()
        made[:, : wave.sample_rate_hz] = 0.0
        return Waveform(made, wave.sample_rate_hz)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.9, 4.0, 4.1, 10.0, 10.3])
def test_what_a_block_makes_before_it_is_warm_is_not_used(seconds: float) -> None:
    sound = noise()[None, : int(seconds * 1_000)]
    made = whole(cleaned(lambda a, b: sound[:, a:b], sound.shape[1], 1_000, Late()))
    assert made.shape == sound.shape
    assert not made[:, :1_000].any() and np.allclose(made[:, 1_000:], sound[:, 1_000:], atol=1e-6)


def speech() -> FloatArray:
    """Something loud with a moving pitch in the spans, nothing between them."""
    time_s = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 2.3 * time_s)) / RATE_HZ
    voice = np.sum([np.sin(h * phase) / h for h in range(1, 20)], axis=0)
    heard = np.zeros(len(time_s))
    for start_s, end_s in SPANS:
        heard[(time_s >= start_s) & (time_s < end_s)] = 1.0
    return (0.1 * voice * heard).astype(np.float32)


def noise(seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal(SECONDS * RATE_HZ).astype(np.float32)


def hum() -> FloatArray:
    time_s = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    tones = np.sum([np.sin(2 * np.pi * 50 * h * time_s) / h for h in range(1, 12)], axis=0)
    return (tones + 0.01 * noise(1)).astype(np.float32)


def music() -> FloatArray:
    """A chord every 0.6 s, each with eight partials, dying away."""
    draw = np.random.default_rng(2)
    made = np.zeros(SECONDS * RATE_HZ)
    time_s = np.arange(int(0.6 * RATE_HZ)) / RATE_HZ
    for start in range(0, len(made) - len(time_s) + 1, len(time_s)):
        for step in draw.choice(12, 3, replace=False):
            tone = 220.0 * 2 ** (step / 12)
            made[start : start + len(time_s)] += np.sum(
                [np.sin(2 * np.pi * tone * h * time_s) / h for h in range(1, 9)], axis=0
            ) * np.exp(-time_s)
    return made.astype(np.float32)


def mixed(background: FloatArray, snr_db: float) -> Waveform:
    said = speech()
    power = np.mean(np.square(said[: int(1.2 * RATE_HZ)]))
    gain = np.sqrt(power / np.mean(np.square(background))) * 10 ** (-snr_db / 20)
    return Waveform((said + gain * background).astype(np.float32)[None], RATE_HZ)


def measured(wave: Waveform, spans: list[Span]) -> Background:
    return background_of(wave, levels_of(wave.mono(), wave.sample_rate_hz), spans)


@pytest.mark.parametrize("snr_db", [24.0, 40.0])
def test_clean_speech_is_left_alone(snr_db: float) -> None:
    wave = mixed(noise(), snr_db)
    background = measured(wave, SPANS)
    assert background.snr_db == pytest.approx(snr_db, abs=1.0) and cleaning_for(background) is Cleaning.NONE


@pytest.mark.parametrize("snr_db", [0.0, 6.0, 12.0, 18.0])
@pytest.mark.parametrize("kind", [noise, hum])
def test_noise_and_hum_are_taken_away(kind: object, snr_db: float) -> None:
    wave = mixed(noise() if kind is noise else hum(), snr_db)
    background = measured(wave, SPANS)
    assert background.snr_db == pytest.approx(snr_db, abs=1.5) and background.music < 0.1
    assert cleaning_for(background) is Cleaning.DENOISE


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_music_is_separated_also_where_noise_would_be_left(snr_db: float) -> None:
    wave = mixed(music(), snr_db)
    background = measured(wave, SPANS)
    assert background.music > 0.3 and cleaning_for(background) is Cleaning.SEPARATE


def test_music_that_is_hardly_heard_is_left() -> None:
    assert cleaning_for(Background(snr_db=35.0, music=0.9)) is Cleaning.NONE


def test_without_pauses_or_speech_nothing_is_made_up() -> None:
    wave = mixed(music(), 10.0)
    assert measured(wave, [(0.0, float(SECONDS))]).music == 0.0
    assert measured(wave, []).snr_db == 0.0
    assert measured(Waveform(np.zeros((1, 0), np.float32), RATE_HZ), []) == Background(0.0, 0.0)


def hits(per_s: float | None, seed: int = 3) -> FloatArray:
    """Short bursts of noise: so many a second, or at random times if None."""
    draw = np.random.default_rng(seed)
    made = 0.002 * noise(4)
    times_s = np.arange(0.1, SECONDS - 0.1, 1 / per_s) if per_s else np.sort(draw.uniform(0.1, SECONDS - 0.1, 4 * SECONDS))
    burst = np.exp(-np.arange(800) / 120)
    for start in (times_s * RATE_HZ).astype(int):
        made[start : start + 800] += burst * draw.standard_normal(800)
    return made.astype(np.float32)


@pytest.mark.parametrize("per_s", [2.9, 4.0])
def test_drums_are_music_though_they_hold_no_note(per_s: float) -> None:
    background = measured(mixed(hits(per_s), 12.0), SPANS)
    assert background.beat > 0.8 and cleaning_for(background) is Cleaning.SEPARATE
    assert measured(mixed(hits(per_s), 60.0), SPANS).beat == 0.0, "nobody hears them there"


@pytest.mark.parametrize("seed", range(6))
def test_what_keeps_no_time_is_no_music(seed: int) -> None:
    assert measured(mixed(hits(None, seed), 12.0), SPANS).beat == 0.0


def test_voices_far_away_are_noise() -> None:
    said = np.abs(speech()).max() * speech()
    many = np.sum([np.roll(said, 1000 * shift * shift) * (1 + 0.2 * (shift % 3)) for shift in range(1, 30)], axis=0)
    background = measured(mixed((many + 0.02 * noise(5) * np.abs(many).max()).astype(np.float32), 9.0), SPANS)
    assert cleaning_for(background) is Cleaning.DENOISE
