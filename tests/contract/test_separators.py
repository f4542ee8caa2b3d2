"""What every separator promises, and what the embedded one does to real speech. demucs runs for real on tiny random weights."""

from pathlib import Path

import numpy as np
import pytest

from tests.tiny_models import write_tiny_demucs
from voicekit import audio
from voicekit.backends.denoise import FLOOR_DB, SpectralDenoiser
from voicekit.backends.separation import DemucsSeparator
from voicekit.errors import MissingModel
from voicekit.ports import Separator
from voicekit.records import FloatArray, Waveform

READER = sorted((Path(__file__).parents[1] / "golden" / "reader").glob("*.flac"))


@pytest.fixture(scope="module")
def demucs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_demucs(tmp_path_factory.mktemp("demucs"))


@pytest.fixture(params=["embedded", "demucs"])
def separator(request: pytest.FixtureRequest, demucs_folder: Path) -> Separator:
    return SpectralDenoiser() if request.param == "embedded" else DemucsSeparator(demucs_folder)


def noise(shape: tuple[int, int], level: float = 0.1) -> FloatArray:
    return level * np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "rate_hz"), [((1, 16_000), 16_000), ((2, 11_025), 22_050), ((3, 4_801), 48_000), ((1, 1), 16_000), ((1, 0), 16_000)]
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
    assert 0 < 2 * separator.overlap_s <= separator.block_s <= 60.0


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


@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
@pytest.mark.parametrize(("snr_db", "better_by_db"), [(0.0, 2.5), (10.0, 2.0)])
def test_noise_goes_and_speech_stays(kind: str, snr_db: float, better_by_db: float) -> None:
    speech, rate_hz = gated_speech()
    time_s = np.arange(len(speech)) / rate_hz
    white = np.random.default_rng(0).standard_normal(len(speech))
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20)), len(speech))
    hum = np.sum([np.sin(2 * np.pi * 50 * h * time_s) / h for h in range(1, 8)], axis=0)
    sound = {"white": white, "pink": pink, "hum": hum}[kind]
    sound = (sound * speech.std() / sound.std() * 10 ** (-snr_db / 20)).astype(np.float32)
    made = SpectralDenoiser().separate(Waveform((speech + sound)[None], rate_hz)).samples[0]
    assert si_sdr_db(made, speech) > si_sdr_db(speech + sound, speech) + better_by_db
    pause = slice(0, rate_hz // 3)
    left_db = 20 * np.log10(made[pause].std() / sound[pause].std())
    assert FLOOR_DB - 3 < left_db < -6


def test_clean_speech_is_hardly_touched() -> None:
    speech, rate_hz = gated_speech()
    wave = Waveform((speech + 1e-5 * noise((1, len(speech)), 1.0)[0])[None], rate_hz)
    made = SpectralDenoiser().separate(wave)
    assert si_sdr_db(made.samples[0], wave.samples[0]) > 25
    assert audio.loudness_lufs(made) == pytest.approx(audio.loudness_lufs(wave), abs=0.1)
