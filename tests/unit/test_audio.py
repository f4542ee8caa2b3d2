"""Audio files are read as they are or refused by name; loudness is what BS.1770 says."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voicekit import audio
from voicekit.errors import RecordingsError
from voicekit.records import FloatArray, Waveform

READER = Path(__file__).parents[1] / "golden" / "reader" / "LJ001-0002.flac"


def tone(seconds: float = 1.0, hz: float = 440.0, rate_hz: int = 24_000, level: float = 0.1, channels: int = 1) -> Waveform:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return Waveform(np.repeat((level * np.sin(2 * np.pi * hz * t)).astype(np.float32)[None], channels, axis=0), rate_hz)


def encode(path: Path, wave: Waveform, codec: str, container: str | None = None) -> None:
    import av

    layout = "mono" if wave.samples.shape[0] == 1 else "stereo"
    with av.open(str(path), "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=wave.sample_rate_hz, layout=layout, bit_rate=96_000)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave.samples), format="fltp", layout=layout)
        frame.rate = wave.sample_rate_hz
        size = stream.codec_context.frame_size or None
        fit = av.AudioResampler(stream.codec_context.format, layout, wave.sample_rate_hz, frame_size=size)
        for piece in [*fit.resample(frame), *fit.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))


def spectrum_peak_hz(samples: FloatArray, rate_hz: int) -> float:
    return float(np.fft.rfftfreq(len(samples), 1 / rate_hz)[np.abs(np.fft.rfft(samples)).argmax()])


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_lossless_files_come_back_within_a_bit(suffix: str, tmp_path: Path) -> None:
    wave = tone(channels=2)
    (audio.write_wav if suffix == ".wav" else audio.write_flac)(tmp_path / f"a{suffix}", wave)
    back = audio.read(tmp_path / f"a{suffix}")
    assert back.sample_rate_hz == 24_000
    assert back.samples.shape == (2, 24_000) and back.samples.dtype == np.float32
    assert np.abs(back.samples - wave.samples).max() <= 1 / 32768


@pytest.mark.parametrize("channels", [1, 2])
def test_a_flac_written_in_pieces_holds_what_is_written_at_once(channels: int, tmp_path: Path) -> None:
    wave = tone(channels=channels)
    wave = Waveform(wave.samples * np.float32(1.5 / np.abs(wave.samples).max()), wave.sample_rate_hz)
    cuts = [0, 1, 5_000, 5_001, wave.num_samples]
    pieces = [Waveform(wave.samples[:, a:b], wave.sample_rate_hz) for a, b in pairwise(cuts)]
    audio.write_flac(tmp_path / "once.flac", wave)
    audio.write_flac_of(tmp_path / "pieces.flac", iter(pieces))
    assert audio.probe(tmp_path / "pieces.flac") == audio.Facts(wave.sample_rate_hz, channels, wave.num_samples)
    assert np.array_equal(audio.read(tmp_path / "pieces.flac").samples, audio.read(tmp_path / "once.flac").samples)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("a.m4a", "aac", None),
        ("a.mp4", "aac", None),
        ("a.aac", "aac", "adts"),
        ("a.webm", "libopus", None),
        ("a.opus", "libopus", None),
        ("a.ogg", "libopus", "ogg"),
        ("a.mp3", "libmp3lame", None),
        ("a.flac", "flac", None),
        ("a.wma", "wmav2", "asf"),
    ],
)
def test_every_common_format_is_read(name: str, codec: str, container: str | None, tmp_path: Path) -> None:
    encode(tmp_path / name, tone(rate_hz=48_000, channels=2), codec, container)
    wave = audio.read(tmp_path / name)
    assert wave.sample_rate_hz == 48_000 and wave.samples.shape[0] == 2
    assert wave.duration_s == pytest.approx(1.0, abs=0.08)
    assert spectrum_peak_hz(wave.mono(), 48_000) == pytest.approx(440.0, abs=5.0)
    assert np.sqrt(np.mean(wave.samples**2)) == pytest.approx(0.1 / np.sqrt(2), rel=0.15)


def test_a_float_file_beyond_full_scale_is_scaled_not_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(level=2.0).samples[0], 24_000, subtype="FLOAT")
    samples = audio.read(tmp_path / "a.wav").samples[0]
    assert np.abs(samples).max() == pytest.approx(1.0)
    assert samples.std() == pytest.approx(1 / np.sqrt(2), rel=0.01)


def damaged(folder: Path) -> dict[str, bytes]:
    encode(folder / "good.m4a", tone(rate_hz=48_000), "aac")
    noise = np.random.default_rng(0).bytes(40_000)
    return {
        "empty.wav": b"",
        "text.wav": b"hello there\n" * 200,
        "noise.mp3": noise,
        "header.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x22\x56\0\0\x44\xac\0\0\2\0\x10\0data\0\0\0\0",
        "half.m4a": (folder / "good.m4a").read_bytes()[:3000],
        "half.flac": READER.read_bytes()[:100],
        "playlist.m4a": b"#EXTM3U\n#EXTINF:3,\ngood.m4a\n#EXT-X-ENDLIST\n",
    }


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    for name, content in damaged(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordingsError, match=name):
            audio.read(tmp_path / name)
    with pytest.raises(RecordingsError, match="no file"):
        audio.read(tmp_path / "missing.wav")


def test_samples_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan, 0.2], np.float32), 24_000, subtype="FLOAT")
    with pytest.raises(RecordingsError, match=r"nan\.wav holds samples that are not numbers"):
        audio.read(tmp_path / "nan.wav")


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "silent.mp4"), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    with pytest.raises(RecordingsError, match=r"silent\.mp4 has no audio track"):
        audio.read(tmp_path / "silent.mp4")


def test_too_long_a_recording_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "MAX_DURATION_S", 0.5)
    audio.write_wav(tmp_path / "a.wav", tone())
    encode(tmp_path / "a.m4a", tone(), "aac")
    for name in ("a.wav", "a.m4a"):
        with pytest.raises(RecordingsError, match=rf"{name} is .* long"):
            audio.read(tmp_path / name)


def test_resampling_keeps_the_sound_and_the_duration() -> None:
    wave = audio.resample(tone(rate_hz=44_100), 24_000)
    assert wave.sample_rate_hz == 24_000 and wave.samples.shape == (1, 24_000)
    assert spectrum_peak_hz(wave.samples[0], 24_000) == pytest.approx(440.0, abs=2.0)
    inner = wave.samples[0, 2400:-2400]
    assert np.abs(inner).max() == pytest.approx(0.1, rel=0.01)


def test_loudness_is_the_standards() -> None:
    assert audio.loudness_lufs(tone(3.0, hz=997.0, rate_hz=48_000, level=1.0)) == pytest.approx(-3.01, abs=0.1)


def test_short_and_silent_clips_have_a_loudness() -> None:
    long, short = tone(2.0), tone(0.1)
    assert audio.loudness_lufs(short) == pytest.approx(audio.loudness_lufs(long), abs=0.5)
    assert audio.loudness_lufs(Waveform(np.zeros((1, 100), np.float32), 24_000)) == audio.SILENCE_LUFS
    assert audio.loudness_lufs(Waveform(np.zeros((1, 0), np.float32), 24_000)) == audio.SILENCE_LUFS


@pytest.mark.parametrize("level", [0.003, 0.1, 0.9])
def test_normalised_loudness_is_the_target(level: float) -> None:
    made = audio.normalise_loudness(tone(level=level), -23.0)
    assert audio.loudness_lufs(made) == pytest.approx(-23.0, abs=0.05)


def test_normalising_never_clips_nor_blows_up_silence() -> None:
    spiky = tone(level=0.005)
    spiky.samples[0, 1000] = 0.5
    made = audio.normalise_loudness(spiky, -10.0)
    assert np.abs(made.samples).max() <= audio.PEAK + 1e-6
    hiss = Waveform(np.full((1, 24_000), 1e-5, np.float32) * (-1) ** np.arange(24_000, dtype=np.float32), 24_000)
    assert np.abs(audio.normalise_loudness(hiss, -23.0).samples).max() <= 1e-5 * audio.MAX_GAIN * 1.001
    silence = Waveform(np.zeros((1, 24_000), np.float32), 24_000)
    assert audio.normalise_loudness(silence, -23.0) is silence
