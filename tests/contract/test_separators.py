"""What every separator promises, and what the embedded one does to real speech. demucs runs for real on tiny random weights."""

from pathlib import Path

import numpy as np
import pytest

from recipes.embedded.denoiser import graphs
from tests.tiny_models import write_tiny_demucs
from voicekit import audio
from voicekit.backends.denoise import LIMIT_DB, RATE_HZ, DeepFilterNet, samples_of, spectra_of
from voicekit.backends.separation import DemucsSeparator
from voicekit.errors import MissingModel
from voicekit.ports import Separator
from voicekit.records import FloatArray, Waveform

READER = sorted((Path(__file__).parents[1] / "golden" / "reader").glob("*.flac"))
GOLDEN = Path(__file__).parents[1] / "golden" / "deepfilternet3"


@pytest.fixture(scope="module")
def demucs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_demucs(tmp_path_factory.mktemp("demucs"))


@pytest.fixture(params=["embedded", "demucs"])
def separator(request: pytest.FixtureRequest, demucs_folder: Path) -> Separator:
    return DeepFilterNet() if request.param == "embedded" else DemucsSeparator(demucs_folder)


def noise(shape: tuple[int, int], level: float = 0.1) -> FloatArray:
    return level * np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "rate_hz"),
    [
        ((1, 16_000), 16_000),
        ((1, 8_000), 8_000),
        ((2, 11_025), 22_050),
        ((3, 4_801), 48_000),
        ((1, 20_001), 192_000),
        ((1, 1), 16_000),
        ((2, 0), 16_000),
    ],
)
def test_shape_and_rate_stay_and_the_same_gives_the_same(separator: Separator, shape: tuple[int, int], rate_hz: int) -> None:
    wave = Waveform(noise(shape), rate_hz)
    before = wave.samples.copy()
    made = separator.separate(wave)
    assert made.sample_rate_hz == rate_hz and made.samples.shape == shape and made.samples.dtype == np.float32
    assert np.isfinite(made.samples).all() and np.array_equal(wave.samples, before)
    assert np.array_equal(made.samples, separator.separate(wave).samples)


def test_silence_stays_silence(separator: Separator) -> None:
    assert separator.name
    assert not separator.separate(Waveform(np.zeros((1, 8_000), np.float32), 16_000)).samples.any()


def test_blocks_are_long_enough_to_be_faded_into_each_other(separator: Separator) -> None:
    assert 0 < 2 * separator.overlap_s <= separator.block_s - separator.warm_up_s <= separator.block_s <= 60.0


def test_a_folder_without_a_model_and_a_damaged_file_say_so(demucs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="no folder"):
        DemucsSeparator(tmp_path / "nowhere")
    with pytest.raises(MissingModel, match="no demucs model"):
        DemucsSeparator(tmp_path)
    (tmp_path / "tiny.yaml").write_bytes((demucs_folder / "tiny.yaml").read_bytes())
    with pytest.raises(MissingModel, match="cannot open the model"):
        DemucsSeparator(tmp_path)
    (tmp_path / "0a0a0a0a.th").write_bytes((demucs_folder / "0a0a0a0a.th").read_bytes()[:5_000])
    with pytest.raises(MissingModel, match="cannot open the model") as caught:
        DemucsSeparator(tmp_path)
    assert "again" in caught.value.remedy
    (tmp_path / "0a0a0a0a.th").rename(tmp_path / "0a0a0a0a-00000000.th")
    with pytest.raises(MissingModel, match="checksum"):
        DemucsSeparator(tmp_path)


def si_sdr_db(estimate: FloatArray, truth: FloatArray) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019)."""
    part = (estimate @ truth) / (truth @ truth) * truth
    return float(10 * np.log10((part @ part) / ((estimate - part) @ (estimate - part))))


def gated_speech() -> tuple[FloatArray, int]:
    """A reader whose own room is taken out of the pauses, so that what is left is what should be left."""
    read = [audio.read(path) for path in READER]
    gap = np.zeros(read[0].sample_rate_hz // 2, np.float32)
    return np.concatenate([part for wave in read for part in (gap, wave.mono())]), read[0].sample_rate_hz


def background(kind: str, length: int, rate_hz: int) -> FloatArray:
    draw, time_s = np.random.default_rng(0), np.arange(length) / rate_hz
    white = draw.standard_normal(length)
    spectrum = np.fft.rfft(white)
    if kind == "pink":
        return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20)), length).astype(np.float32)
    if kind == "hum":
        return np.sum([np.sin(2 * np.pi * 50 * h * time_s) / h for h in range(1, 8)], axis=0).astype(np.float32)
    if kind == "keys":
        struck = np.zeros(length)
        struck[(draw.uniform(0, time_s[-1], int(6 * time_s[-1])) * rate_hz).astype(int)] = 1.0
        decay = np.exp(-np.arange(int(0.03 * rate_hz)) / (0.004 * rate_hz))
        return (np.convolve(struck, decay)[:length] * white + 0.01 * white).astype(np.float32)
    return white.astype(np.float32)


def noisy(speech: FloatArray, rate_hz: int, kind: str, snr_db: float) -> FloatArray:
    sound = background(kind, len(speech), rate_hz)
    return (speech + sound * speech.std() / sound.std() * 10 ** (-snr_db / 20)).astype(np.float32)


def denoised(samples: FloatArray, rate_hz: int) -> FloatArray:
    return DeepFilterNet().separate(Waveform(samples[None], rate_hz)).samples[0]


@pytest.mark.parametrize(
    ("kind", "snr_db", "better_by_db"),
    [
        ("white", 0, 9),
        ("white", 10, 6),
        ("pink", 0, 8),
        ("pink", 10, 6),
        ("hum", 0, 9),
        ("hum", 10, 7),
        ("keys", 0, 9),
        ("keys", 10, 7),
    ],
)
def test_noise_goes_and_speech_stays(kind: str, snr_db: float, better_by_db: float) -> None:
    speech, rate_hz = gated_speech()
    mixed = noisy(speech, rate_hz, kind, snr_db)
    made = denoised(mixed, rate_hz)
    assert si_sdr_db(made, speech) > si_sdr_db(mixed, speech) + better_by_db
    pause = slice(0, rate_hz // 3)
    left_db = 20 * np.log10(made[pause].std() / mixed[pause].std())
    assert -LIMIT_DB - 1 < left_db < -LIMIT_DB + 3


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 96_000])
def test_every_rate_gets_better_at_its_own_time(rate_hz: int) -> None:
    given, given_hz = gated_speech()
    speech = audio.resample(Waveform(given[None], given_hz), rate_hz).samples[0]
    mixed = noisy(speech, rate_hz, "pink", 5.0)
    made = denoised(mixed, rate_hz)
    assert si_sdr_db(made, speech) > si_sdr_db(mixed, speech) + 5.0
    assert np.argmax([made[9:-9] @ speech[9 + lag : len(speech) - 9 + lag] for lag in range(-9, 10)]) == 9


@pytest.mark.parametrize("gain", [1e-3, 0.1, 5.0])
def test_soft_speech_is_speech_too(gain: float) -> None:
    speech, rate_hz = gated_speech()
    mixed = noisy(speech, rate_hz, "pink", 10.0)
    assert si_sdr_db(denoised(mixed * np.float32(gain), rate_hz), denoised(mixed, rate_hz)) > 60.0


def test_channels_do_not_hear_each_other() -> None:
    speech, rate_hz = gated_speech()
    first, second = noisy(speech, rate_hz, "white", 5.0), noisy(speech[::-1], rate_hz, "pink", 5.0)
    both = DeepFilterNet().separate(Waveform(np.stack([first, second]), rate_hz)).samples
    assert np.array_equal(both, np.stack([denoised(first, rate_hz), denoised(second, rate_hz)]))


def test_clean_speech_is_hardly_touched() -> None:
    speech, rate_hz = gated_speech()
    wave = Waveform((speech + 1e-5 * noise((1, len(speech)), 1.0)[0])[None], rate_hz)
    made = DeepFilterNet().separate(wave)
    assert si_sdr_db(made.samples[0], wave.samples[0]) > 25
    assert audio.loudness_lufs(made) == pytest.approx(audio.loudness_lufs(wave), abs=0.3)


def test_what_spectra_hold_is_the_sound() -> None:
    samples = noise((1, 5_001))[0]
    assert spectra_of(samples).shape == (12, 481)
    assert np.abs(samples_of(spectra_of(samples), len(samples)) - samples).max() < 1e-6


def test_the_output_is_that_of_the_authors_library() -> None:
    """A second and a half of noisy speech at 48 kHz and what their library makes of it, as 16-bit numbers."""
    given, theirs = (audio.read(GOLDEN / f"{name}.flac") for name in ("noisy", "denoised"))
    assert given.sample_rate_hz == theirs.sample_rate_hz == RATE_HZ
    ours = DeepFilterNet(limit_db=200.0).separate(given)
    assert si_sdr_db(ours.samples[0], theirs.samples[0]) > 60.0


def test_a_folder_without_the_graphs_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="cannot open the model"):
        DeepFilterNet(tmp_path)


def test_another_archive_than_the_one_that_was_tried_is_refused() -> None:
    with pytest.raises(SystemExit, match="checksum"):
        graphs(b"another archive")
