"""Other tempo, pitch, rooms, channels and noise for decoded speech; tokens keep to the sound they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from voicekit.records import FloatArray, IntArray
from voicekit.timebase import MODEL_RATE_HZ, SAMPLES_PER_TOKEN
from voicekit.world import pyworld

fft: Any = scipy_fft  # its types name dispatching, not arrays
FRAME_SAMPLES, STEP_SAMPLES, SEARCH_SAMPLES = 1024, 512, 256
PITCH_EVERY_MS = 10.0
TEMPO, SHIFT, TRACT = (0.82, 1.2), (0.95, 1.05), (0.82, 1.22)


def at_speed(samples: FloatArray, tokens: IntArray, speed: float, shift: float = 1.0) -> tuple[FloatArray, IntArray]:
    """Speech [960 N] and tokens [N] `speed` times as fast: [960 M] and [M], M = floor(N / speed).

    `shift` is the part of the speed that comes from resampling and moves pitch and formants with it; the rest changes the
    tempo alone. Token m of the result is the one that was spoken at the middle of its 40 ms.
    """
    made = tempo(samples, speed / shift)
    if shift != 1.0:
        made = soxr.resample(made, MODEL_RATE_HZ * shift, MODEL_RATE_HZ).astype(np.float32)
    kept = int(len(tokens) / speed)
    where = ((np.arange(kept) + 0.5) * speed).astype(np.int64)
    wanted = kept * SAMPLES_PER_TOKEN
    return np.pad(made, (0, max(0, wanted - len(made))))[:wanted], tokens[np.minimum(where, len(tokens) - 1)]


def tempo(samples: FloatArray, speed: float) -> FloatArray:
    """`speed` times as fast at the same pitch: overlapping frames, each sought where it continues the last one best (WSOLA,
    Verhelst and Roelands, 1993)."""
    if speed == 1.0 or len(samples) < 2 * FRAME_SAMPLES:
        return samples
    window = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
    count = int(len(samples) / speed) // STEP_SAMPLES
    source = np.pad(samples, (SEARCH_SAMPLES + FRAME_SAMPLES // 2, 2 * FRAME_SAMPLES + SEARCH_SAMPLES))
    out = np.zeros(count * STEP_SAMPLES + FRAME_SAMPLES, np.float32)
    at = SEARCH_SAMPLES
    for k in range(count):
        wanted = SEARCH_SAMPLES + int(k * STEP_SAMPLES * speed)
        if k:
            follows = source[at + STEP_SAMPLES : at + STEP_SAMPLES + FRAME_SAMPLES]
            around = source[wanted - SEARCH_SAMPLES : wanted + SEARCH_SAMPLES + FRAME_SAMPLES]
            wanted += int(np.correlate(around, follows).argmax()) - SEARCH_SAMPLES
        at = wanted
        out[k * STEP_SAMPLES : k * STEP_SAMPLES + FRAME_SAMPLES] += window * source[at : at + FRAME_SAMPLES]
    return out[FRAME_SAMPLES // 2 :][: int(len(samples) / speed)]


def other_speaker(samples: FloatArray, tract: float, f0: float = 1.0) -> FloatArray:
    """As if spoken with a vocal tract 1 / `tract` as long: formants `tract` times as high, the pitch `f0` times, the tempo kept.

    Analysis and synthesis by WORLD (Morise et al., 2016).
    """
    wave = samples.astype(np.float64)
    f0_hz, times_s = _pitch_hz(wave)
    shapes = [analysis(wave, f0_hz, times_s, MODEL_RATE_HZ) for analysis in (pyworld.cheaptrick, pyworld.d4c)]
    bins = shapes[0].shape[1]
    source = np.minimum(np.arange(bins) / tract, bins - 1)
    low = np.minimum(source.astype(np.int64), bins - 2)
    part = source - low
    envelope, aperiodicity = (np.ascontiguousarray(s[:, low] * (1 - part) + s[:, low + 1] * part) for s in shapes)
    made = pyworld.synthesize(f0_hz * f0, envelope, aperiodicity, MODEL_RATE_HZ, PITCH_EVERY_MS)
    return np.pad(made, (0, max(0, len(samples) - len(made))))[: len(samples)].astype(np.float32)


def mean_f0_hz(samples: FloatArray) -> float:
    """The geometric mean of the F0 of what is voiced; 0 if nothing is."""
    f0_hz, _ = _pitch_hz(samples.astype(np.float64))
    voiced = f0_hz[f0_hz > 0]
    return float(np.exp(np.log(voiced).mean())) if len(voiced) else 0.0


def _pitch_hz(wave: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F0 every PITCH_EVERY_MS, 0 where unvoiced, and the times in seconds."""
    rough_hz, times_s = pyworld.dio(wave, MODEL_RATE_HZ, frame_period=PITCH_EVERY_MS)
    return pyworld.stonemask(wave, rough_hz, times_s, MODEL_RATE_HZ), times_s


def disturbed(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What a microphone might have made of it, as long as it was: room, channel, noise, short gaps, another level."""
    made = samples
    if rng.random() < 0.35:
        made = _room(made, rng)
    if rng.random() < 0.7:
        made = _channel(made, rng)
    if rng.random() < 0.6:
        made = _noise(made, rng)
    for _ in range(int(rng.integers(0, 3))):
        width, start = int(rng.integers(600, 3600)), int(rng.integers(0, max(1, len(made) - 3600)))
        made = np.concatenate([made[:start], np.zeros(width, np.float32), made[start + width :]])[: len(samples)]
    return (made * rng.uniform(0.3, 1.5)).astype(np.float32)


def _room(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Decaying noise as impulse response, 0.1 to 0.5 s down to -60 dB."""
    decay_samples = rng.uniform(0.1, 0.5) * MODEL_RATE_HZ
    length = int(decay_samples)
    response = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / decay_samples) * rng.uniform(0.02, 0.1)
    response[0] = 1.0
    return _filtered(samples, fft.rfft(response.astype(np.float32), _size(len(samples) + length)))


def _channel(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A smooth random equaliser of about +-6 dB."""
    size = _size(len(samples))
    bins = np.linspace(0, 1, size // 2 + 1) ** 0.5
    gain_db = np.interp(bins, np.linspace(0, 1, 7), rng.normal(0, 4.0, 7))
    return _filtered(samples, 10 ** (gain_db / 20))


def _noise(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Stationary coloured noise 5 to 40 dB under the speech."""
    noise = _channel(rng.standard_normal(len(samples)).astype(np.float32), rng)
    level = np.sqrt((samples**2).mean() / max(1e-12, float((noise**2).mean())))
    return (samples + noise * level * 10 ** (-rng.uniform(5, 40) / 20)).astype(np.float32)


def _filtered(samples: FloatArray, response: np.ndarray) -> FloatArray:
    size = 2 * (len(response) - 1)
    # scipy's stays in float32, numpy's does not.
    return fft.irfft(fft.rfft(samples, size) * response.astype(np.complex64), size)[: len(samples)]


def _size(least: int) -> int:
    return 2 * fft.next_fast_len(-(-least // 2), real=True)
