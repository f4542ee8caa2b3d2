"""What is encoded comes back as long as it was and sounding the same, streamed or whole."""

from pathlib import Path

import numpy as np
import pytest

from tests.api_house import samples_of
from voicekit import audio_formats
from voicekit.audio_formats import FORMATS, decode, encode, encoder
from voicekit.errors import RecordingsError, UsageError
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import MODEL_RATE_HZ

# One frame of the codec at either end, where the stream cannot say how much of it is padding.
TOLERANCE_SAMPLES = {"mp3": 1_800, "opus": 2, "flac": 0, "wav": 0, "pcm": 0}


def tone(duration_s: float = 1.337) -> FloatArray:
    time_s = np.arange(int(duration_s * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    return (0.4 * np.sin(2 * np.pi * 220.0 * time_s) * np.minimum(1, 10 * time_s)).astype(np.float32)


def streamed(samples: FloatArray, name: str, piece: int = 3_600) -> list[bytes]:
    writer = encoder(name)
    return [*(writer.push(samples[at : at + piece]) for at in range(0, len(samples), piece)), writer.finish()]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_it_comes_back_as_it_was(name: str, way: str) -> None:
    given = tone()
    data = encode(given, name) if way == "whole" else b"".join(streamed(given, name))
    found = samples_of(data, name)
    assert abs(len(found) - len(given)) <= TOLERANCE_SAMPLES[name]
    middle = slice(MODEL_RATE_HZ // 2, MODEL_RATE_HZ)
    spectrum = np.abs(np.fft.rfft(found[middle]))
    assert abs(spectrum.argmax() * MODEL_RATE_HZ / len(found[middle]) - 220.0) <= 2.0
    assert np.std(found[middle]) == pytest.approx(np.std(given[middle]), rel=0.05)


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_bytes_leave_before_the_last_samples_are_there(name: str) -> None:
    pieces = streamed(tone(4.0), name)
    first = next(i for i, piece in enumerate(pieces) if piece)
    assert first * 3_600 < MODEL_RATE_HZ
    assert sum(len(p) for p in pieces[: len(pieces) // 2]) > 0.3 * sum(len(p) for p in pieces)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_a_file_too(name: str) -> None:
    assert isinstance(encode(np.zeros(0, np.float32), name), bytes) and isinstance(encoder(name).finish(), bytes)


def test_lossless_formats_are_equal_sample_by_sample() -> None:
    given = tone(0.5)
    first = samples_of(encode(given, "pcm"), "pcm")
    for name in ("wav", "flac"):
        assert np.abs(samples_of(encode(given, name), name) - first).max() < 1.1 / 32767


def test_what_is_not_audio_or_too_long_is_said_so() -> None:
    with pytest.raises(UsageError, match="not a format"):
        encode(tone(), "exe")
    with pytest.raises(RecordingsError, match="damaged"):
        decode(b"not audio at all", "question.wav", 10.0)
    with pytest.raises(RecordingsError, match="may be 1 s long"):
        decode(encode(tone(2.0), "wav"), "question.wav", 1.0)
    with pytest.raises(RecordingsError, match="may be 1 s long"):
        decode(encode(tone(2.0), "mp3"), "../../question.mp3", 1.0)
    assert isinstance(decode(encode(tone(), "opus"), "", 10.0), Waveform) and Path(audio_formats.__file__).exists()
