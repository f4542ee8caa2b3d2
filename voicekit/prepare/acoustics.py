"""What a microphone and a room did to speech: how far up its spectrum reaches, and how much a room rings in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voicekit.audio import resample
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import seconds_to_samples

Spans = Sequence[tuple[float, float]]

_WINDOW_S, _HOP_S = 0.032, 0.016
_BAND_HZ = 250.0
_LOUD, _QUIET = 0.95, 0.1  # of a band's frames: the sounds that fill it, such as an s, and what is there anyway
_BELOW_PEAK_DB = 60.0
_ABOVE_NOISE_DB = 10.0

_ENVELOPE_RATE_HZ = 250
_ENVELOPE_FROM_HZ = 8_000
_ENVELOPE_BANDS_HZ = (250, 500, 875, 1_500, 2_500, 3_750)
_MODULATION_FRAMES, _MODULATION_HOP = 128, 32
_SLOW_BINS, _FAST_BINS = slice(1, 6), slice(8, 32)  # 2 to 10 Hz: syllables; 16 to 61 Hz: the roughness of a room
_QUIET_BAND = 1e-3


def bandwidth_hz(samples: FloatArray, sample_rate_hz: int, spans: Spans) -> float:
    """The highest frequency that speech (float32 [T], speaking in `spans`) reaches, in steps of 250 Hz.

    A band counts where its loud frames are within 60 dB of the loudest band and 10 dB above its quiet ones, which steady noise
    never is: a telephone call keeps its 4 kHz whatever rate its file has. 0.0 without speech.
    """
    bands, times_s = _bands(samples, sample_rate_hz)
    speech = _within(times_s, spans)
    if not speech.any():
        return 0.0
    around = _within(times_s, [(spans[0][0] - 0.1, spans[-1][1] + 0.1)])
    loud_db = 10 * np.log10(np.quantile(bands[speech], _LOUD, axis=0) + 1e-15)
    quiet_db = 10 * np.log10(np.quantile(bands[around], _QUIET, axis=0) + 1e-15)
    reached = (loud_db > loud_db.max() - _BELOW_PEAK_DB) & (loud_db > quiet_db + _ABOVE_NOISE_DB)
    top = int(np.flatnonzero(reached)[-1]) + 1 if reached.any() else 0
    return min(top * _BAND_HZ, sample_rate_hz / 2)


def srmr_db(samples: FloatArray, sample_rate_hz: int) -> float | None:
    """Energy of the slow modulations of speech (2 to 10 Hz, syllables) against the fast ones (16 to 61 Hz, which a ringing room
    adds), in dB; None for less than half a second.

    After the speech-to-reverberation modulation energy ratio (Falk, Zheng, Chan 2010, "A non-intrusive quality and
    intelligibility measure of reverberant and dereverberated speech"), with five plain bands. On clean speech with a synthetic
    room: about 14 dB dry, 10 to 12 in a room of 0.4 s, below 8 in a hall of 1.3 s far from the microphone.
    """
    envelopes = _envelopes(samples, sample_rate_hz)
    if len(envelopes) < _MODULATION_FRAMES:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(envelopes, _MODULATION_FRAMES, axis=0)[::_MODULATION_HOP]
    varying = (windows - windows.mean(axis=-1, keepdims=True)) * np.hanning(_MODULATION_FRAMES)
    spectrum: FloatArray = np.abs(np.fft.rfft(varying, axis=-1)).astype(np.float32)
    energy = np.square(spectrum).mean(axis=0)
    slow: FloatArray = energy[:, _SLOW_BINS].sum(axis=1)
    fast: FloatArray = energy[:, _FAST_BINS].sum(axis=1)
    heard = slow + fast > _QUIET_BAND * float((slow + fast).max())
    if not heard.any() or float(slow.max()) == 0.0:
        return None
    return float(np.mean(10 * np.log10((slow[heard] + 1e-15) / (fast[heard] + 1e-15))))


def _bands(samples: FloatArray, sample_rate_hz: int) -> tuple[FloatArray, FloatArray]:
    """Mean power in bands of 250 Hz, float32 [frames, bands], and the middle of each frame in seconds."""
    size, hop = seconds_to_samples(_WINDOW_S, sample_rate_hz), seconds_to_samples(_HOP_S, sample_rate_hz)
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    powers = np.square(np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1))).astype(np.float32)
    hz = np.fft.rfftfreq(size, 1 / sample_rate_hz)
    starts = np.searchsorted(hz, np.arange(int(sample_rate_hz / 2 / _BAND_HZ)) * _BAND_HZ)
    widths = np.diff(np.append(starts, powers.shape[1])).astype(np.float32)
    bands = (np.add.reduceat(powers, starts, axis=1) / widths).astype(np.float32)
    return bands, ((np.arange(len(frames)) * hop + size / 2) / sample_rate_hz).astype(np.float32)


def _within(times_s: FloatArray, spans: Spans) -> NDArray[np.bool_]:
    found = np.zeros(len(times_s), bool)
    for start_s, end_s in spans:
        found |= (times_s >= start_s) & (times_s < end_s)
    return found


def _envelopes(samples: FloatArray, sample_rate_hz: int) -> FloatArray:
    """Magnitude in five bands between 250 and 3750 Hz, 250 times a second: float32 [frames, 5]."""
    plain = resample(Waveform(samples[None], sample_rate_hz), _ENVELOPE_FROM_HZ).samples[0]
    hop = _ENVELOPE_FROM_HZ // _ENVELOPE_RATE_HZ
    size = 4 * hop
    if len(plain) < size:
        return np.zeros((0, len(_ENVELOPE_BANDS_HZ) - 1), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(plain, size)[::hop]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)).astype(np.float32)
    edges = [hz * size // _ENVELOPE_FROM_HZ for hz in _ENVELOPE_BANDS_HZ]
    return np.stack([magnitudes[:, a:b].sum(axis=1) for a, b in pairwise(edges)], axis=1)
