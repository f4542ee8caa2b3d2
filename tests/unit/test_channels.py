"""One channel of several: what carries the voice is taken, whatever else a recorder wrote beside it; what was cut off is seen."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.unit.test_audio import encode
from voicekit import audio
from voicekit.channels import ChannelStatistics
from voicekit.prepare.grade import clipped_ratio
from voicekit.records import FloatArray, Waveform

GOLDEN = Path(__file__).parents[1] / "golden"
VOICES = [*sorted((GOLDEN / "reader").glob("*.flac")), *sorted((GOLDEN / "voices").glob("*.ogg"))]


def voice() -> tuple[FloatArray, int]:
    """A real reader, with a second of rest behind."""
    wave = audio.read(VOICES[0])
    return np.concatenate([0.5 * wave.samples[0], np.zeros(wave.sample_rate_hz, np.float32)]), wave.sample_rate_hz


def hiss(samples: FloatArray, level: float) -> FloatArray:
    return (level * np.random.default_rng(1).standard_normal(len(samples))).astype(np.float32)


def snr_db(found: FloatArray, wanted: FloatArray) -> float:
    """How much of what was found is what was wanted, whatever its level and sign."""
    gain = float(found @ wanted / (wanted @ wanted))
    rest = found - gain * wanted
    return 10 * np.log10(gain**2 * float(wanted @ wanted) / max(float(rest @ rest), 1e-12))


def one_of(tmp_path: Path, *channels: FloatArray) -> tuple[FloatArray, str]:
    """What becomes of channels in a file, by all ways in: read whole, read as one channel, written as a working copy."""
    _, rate_hz = voice()
    soundfile.write(tmp_path / "a.wav", np.stack(channels, axis=1), rate_hz, subtype="FLOAT")
    found = audio.read(tmp_path / "a.wav", mono=True).samples[0]
    assert np.allclose(audio.read(tmp_path / "a.wav").mono(), found, atol=1e-6)
    audio.write_working_copy(tmp_path / "a.wav", tmp_path / "copy.wav")
    assert np.array_equal(audio.read(tmp_path / "copy.wav").samples[0], found)
    return found, audio.probe(tmp_path / "a.wav").remark


def test_opposite_phase_does_not_take_the_voice_away(tmp_path: Path) -> None:
    said, _ = voice()
    found, remark = one_of(tmp_path, said, -0.9 * said)
    assert snr_db(found, said) > 60 and np.abs(found).max() > 0.9 * np.abs(said).max()
    assert remark == "channel 2 has the opposite phase and was turned round"


@pytest.mark.parametrize("level", [0.02, 0.2])
def test_a_channel_that_hisses_is_left_out(level: float, tmp_path: Path) -> None:
    said, _ = voice()
    found, remark = one_of(tmp_path, said + hiss(said, level), said)
    assert snr_db(found, said) > 60 and remark == "channel 1 is noisy and was left out"
    found, remark = one_of(tmp_path, said, hiss(said, level))
    assert snr_db(found, said) > 60 and remark.startswith("channel 2 is ")


def test_a_silent_channel_takes_nothing_away(tmp_path: Path) -> None:
    said, _ = voice()
    found, remark = one_of(tmp_path, np.zeros_like(said), said)
    assert np.allclose(found, said) and remark == "channel 1 is silent and was left out"


def test_of_two_channels_the_one_that_is_not_cut_off_is_taken(tmp_path: Path) -> None:
    said, _ = voice()
    found, remark = one_of(tmp_path, np.clip(8 * said, -0.9, 0.9), said)
    assert clipped_ratio(found) < 0.001 and remark == "channel 1 is clipped and was left out"
    found, _ = one_of(tmp_path, np.clip(14 * said, -0.9, 0.9), 0.5 * np.clip(12 * said, -0.9, 0.8))
    assert clipped_ratio(found) > 0.01, "cut off in both"


def test_what_is_tidy_and_what_holds_two_people_stays_the_mean(tmp_path: Path) -> None:
    said, _ = voice()
    other = np.roll(said[::-1], 3_000).copy()
    quiet = hiss(said, 1e-4)
    for channels in ((said, 0.7 * said), (said + quiet, other + quiet), (said, said, said), (0 * said, 0 * said)):
        found, remark = one_of(tmp_path, *channels)
        assert remark == "" and np.allclose(found, np.mean(channels, axis=0), atol=1e-6)


def test_the_answer_does_not_depend_on_the_blocks() -> None:
    said, rate_hz = voice()
    both = np.stack([said + hiss(said, 0.05), -said])
    answers: list[tuple[list[float], str]] = []
    for size in (1_000, 7_777, both.shape[1]):
        statistics = ChannelStatistics(rate_hz)
        for start in range(0, both.shape[1], size):
            statistics.add(both[:, start : start + size])
        weights, words = statistics.weights()
        assert weights is not None
        answers.append((weights.tolist(), words))
    assert answers[0] == answers[1] == answers[2]


def coded(samples: FloatArray, rate_hz: int, suffix: str, tmp_path: Path) -> FloatArray:
    codecs = {"mp3": "libmp3lame", "m4a": "aac", "opus": "libopus", "ogg": "libvorbis"}
    at_48k = audio.resample(Waveform(samples[None], rate_hz), 48_000)
    clipped = Waveform(np.clip(at_48k.samples, -1, 1), 48_000)
    if suffix == "ogg":
        soundfile.write(tmp_path / "a.ogg", clipped.samples.T, 48_000)
    else:
        encode(tmp_path / f"a.{suffix}", clipped, codecs[suffix])
    return audio.read(tmp_path / f"a.{suffix}", mono=True).samples[0]


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "opus", "ogg"])
def test_a_codec_does_not_hide_what_was_cut_off(suffix: str, tmp_path: Path) -> None:
    for path in VOICES[:4]:
        wave = audio.read(path)
        whole = wave.samples[0] / np.abs(wave.samples).max()
        assert clipped_ratio(coded(0.9 * whole, wave.sample_rate_hz, suffix, tmp_path)) < 0.005, path
        assert clipped_ratio(coded(5 * whole, wave.sample_rate_hz, suffix, tmp_path)) > 0.01, path


@pytest.mark.parametrize("side", [1, -1])
def test_one_polarity_alone_is_seen_below_the_other(side: int) -> None:
    said, _ = voice()
    whole = side * said / np.abs(said).max()
    assert clipped_ratio(whole) < 0.001
    assert clipped_ratio((side * np.clip(5 * whole, -5, 1) / 5).astype(np.float32)) > 0.01


def test_loud_and_levelled_speech_is_not_called_clipped() -> None:
    """Every real voice, as it is, and pressed by a limiter or a soft saturation."""
    for path in [*VOICES, *sorted((GOLDEN / "languages").rglob("*.ogg"))]:
        wave = audio.read(path)
        said = wave.samples[0] / np.abs(wave.samples).max()
        frame = wave.sample_rate_hz // 100
        peaks = np.array([np.abs(said[max(0, at - 2 * frame) : at + 3 * frame]).max() for at in range(0, len(said), frame)])
        gain = np.interp(np.arange(len(said)), np.arange(len(peaks)) * frame, np.minimum(1, 0.2 / np.maximum(peaks, 1e-6)))
        for name, samples in (("as it is", said), ("limited", said * gain), ("saturated", np.tanh(2 * said))):
            assert clipped_ratio(samples.astype(np.float32)) < 0.01, (path.name, name)
