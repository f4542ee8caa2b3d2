"""A reference is heard as the line of a recording would have passed it; where the line is wide nothing happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicekit import audio
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.prepare.band import narrowed
from voicekit.prepare.diarized import MIN_LIKENESS, likeness_of
from voicekit.records import FloatArray, SpeakerTurn, Waveform

RATE_HZ = 16_000
READER = Path(__file__).parents[1] / "golden" / "reader"


@pytest.fixture(scope="module")
def reader() -> tuple[Waveform, Waveform]:
    """Two stretches of one reader."""
    *rest, last = [audio.resample(audio.read(p), RATE_HZ).mono() for p in sorted(READER.glob("*.flac"))]
    return Waveform(np.concatenate(rest)[None], RATE_HZ), Waveform(last[None], RATE_HZ)


def telephone(wave: Waveform) -> Waveform:
    spectrum, hz = np.fft.rfft(wave.mono()), np.fft.rfftfreq(wave.num_samples, 1 / wave.sample_rate_hz)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return Waveform(np.fft.irfft(spectrum, wave.num_samples).astype(np.float32)[None], wave.sample_rate_hz)


def level_db(samples: FloatArray, low_hz: float, high_hz: float) -> float:
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return float(10 * np.log10(np.square(np.abs(np.fft.rfft(samples)[(hz >= low_hz) & (hz < high_hz)])).sum()))


def test_a_line_takes_from_the_reference_what_it_does_not_pass(reader: tuple[Waveform, Waveform]) -> None:
    reference, other = reader
    made = narrowed(reference, telephone(other))
    assert made is not None and made.samples.shape == reference.samples.shape
    assert level_db(made.mono(), 500, 3000) == pytest.approx(level_db(reference.mono(), 500, 3000), abs=0.01)
    for low_hz, high_hz in ((60, 200), (4500, 7000)):
        assert level_db(made.mono(), low_hz, high_hz) < level_db(reference.mono(), low_hz, high_hz) - 15


def test_in_full_band_and_in_silence_nothing_is_changed(reader: tuple[Waveform, Waveform]) -> None:
    reference, other = reader
    assert narrowed(reference, other) is None and narrowed(telephone(reference), telephone(other)) is None
    silence = Waveform(np.zeros((1, RATE_HZ), np.float32), RATE_HZ)
    assert narrowed(reference, silence) is None and narrowed(silence, other) is None
    assert narrowed(reference, Waveform(np.zeros((1, 0), np.float32), RATE_HZ)) is None


def test_who_is_known_from_a_room_is_known_over_the_telephone(reader: tuple[Waveform, Waveform]) -> None:
    encoder, (reference, other) = Ge2eSpeakerEncoder(), reader
    embedded, call = encoder.embed(reference), telephone(other)
    lower = telephone(Waveform(audio.resample(other, 22_050).samples, RATE_HZ))  # another voice: slowed down by a third
    both = Waveform(np.concatenate([call.samples, lower.samples], axis=1), RATE_HZ)
    turns = (SpeakerTurn("own", 0.0, call.duration_s), SpeakerTurn("lower", call.duration_s, both.duration_s))
    found = likeness_of(both, turns, encoder, reference, embedded)
    unprepared = float(encoder.embed(call) @ embedded)
    assert found["own"] > unprepared + 0.03 and found["own"] > MIN_LIKENESS
    assert found["lower"] < found["own"] - 0.1
    plain = likeness_of(other, (SpeakerTurn("own", 0.0, other.duration_s),), encoder, reference, embedded)
    assert plain["own"] == pytest.approx(float(encoder.embed(other) @ embedded), abs=0.02)
