"""The port of vocoders, and WORLD as nano's: 64 latents at 100 Hz <-> 24 kHz audio (Morise et al., 2016).

One frame is 59 mel-cepstral envelope coefficients, 3 aperiodicity bands (dB), natural-log F0 (interpolated where
unvoiced) and voicing (0 or 1). There is nothing to train, and pitch can be read off the latents.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from voicekit.covo.features import num_tokens, whole_tokens
from voicekit.records import FloatArray
from voicekit.timebase import LATENT_HZ, MODEL_RATE_HZ, SAMPLES_PER_LATENT

NUM_LATENTS = 64
NUM_ENVELOPE = 59
LOG_F0, VOICING = 62, 63
FFT_SAMPLES = 1024
F0_FLOOR_HZ, F0_CEIL_HZ = 60.0, 450.0
PITCH_RATE_HZ = 12_000
NEUTRAL_LOG_F0 = float(np.log(140.0))


class Vocoder(Protocol):
    """Raw latents <-> samples at 24 kHz. For streams it says what a latent's samples depend on: `look_ahead_latents` behind
    it, and `context_latents` before it, or None if on all of them (a phase that runs on)."""

    @property
    def samples_per_latent(self) -> int: ...
    @property
    def look_ahead_latents(self) -> int: ...
    @property
    def context_latents(self) -> int | None: ...

    def synthesise(self, latents: FloatArray) -> FloatArray:
        """Audio float32 [samples_per_latent * M] in -1..1 of raw latents [M, 64]."""
        ...

    def analyse(self, samples_24k: FloatArray) -> FloatArray:
        """Raw latents float32 [4N, 64] of mono samples [T]; BaseModelError if this vocoder cannot."""
        ...


class World:
    """The functions below as a Vocoder. A frame still hears of the next ones by the window of its synthesis."""

    samples_per_latent = SAMPLES_PER_LATENT
    look_ahead_latents = 3
    context_latents = None

    def synthesise(self, latents: FloatArray) -> FloatArray:
        return synthesise(latents)

    def analyse(self, samples_24k: FloatArray) -> FloatArray:
        return analyse(samples_24k)


def pitch_track(samples_24k: FloatArray) -> FloatArray:
    """F0 in Hz float32 [4N] at 100 Hz, 0 where unvoiced (harvest, then stonemask)."""
    import soxr

    from voicekit.world import pyworld

    audio = soxr.resample(samples_24k, MODEL_RATE_HZ, PITCH_RATE_HZ).astype(np.float64)
    return _refined(audio, pyworld.harvest(audio, PITCH_RATE_HZ, F0_FLOOR_HZ, F0_CEIL_HZ, 1000 / LATENT_HZ), samples_24k)


def quick_pitch_track(samples_24k: FloatArray) -> FloatArray:
    """The same by DIO, 60 times faster than real time: more octave errors, and fewer frames voiced than harvest calls so."""
    import soxr

    from voicekit.world import pyworld

    audio = soxr.resample(samples_24k.astype(np.float64), MODEL_RATE_HZ, PITCH_RATE_HZ)
    found = pyworld.dio(audio, PITCH_RATE_HZ, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=1000 / LATENT_HZ)
    return _refined(audio, found, samples_24k)


def _refined(audio: np.ndarray, found: tuple[np.ndarray, np.ndarray], samples_24k: FloatArray) -> FloatArray:
    """F0 and its times after stonemask, one value a latent of the samples."""
    from voicekit.world import pyworld

    f0 = pyworld.stonemask(audio, *found, PITCH_RATE_HZ)
    frames = 4 * num_tokens(samples_24k.shape[0])
    return np.pad(f0, (0, max(0, frames - len(f0))))[:frames].astype(np.float32)


def analyse(samples_24k: FloatArray) -> FloatArray:
    """Raw latents float32 [4N, 64] of mono samples [T]; N = ceil(T / 960)."""
    padded = whole_tokens(samples_24k)
    return _latents(padded, pitch_track(padded), bands=True)


def quick_analyse(samples_24k: FloatArray, *, bands: bool = True) -> FloatArray:
    """The same with pitch by `quick_pitch_track`, as the melody of speech tokens takes it; without `bands` these are 0."""
    padded = whole_tokens(samples_24k)
    return _latents(padded, quick_pitch_track(padded), bands=bands)


def _latents(padded: FloatArray, pitch: FloatArray, *, bands: bool) -> FloatArray:
    from voicekit.world import pyworld

    f0 = pitch.astype(np.float64)
    # A little noise keeps silence from turning into -inf envelopes.
    audio = padded.astype(np.float64) + 1e-5 * np.random.default_rng(0).standard_normal(len(padded))
    times = np.arange(len(f0)) / LATENT_HZ
    envelope = pyworld.cheaptrick(audio, f0, times, MODEL_RATE_HZ, fft_size=FFT_SAMPLES)
    out = np.zeros((len(f0), NUM_LATENTS), np.float32)
    out[:, :NUM_ENVELOPE] = pyworld.code_spectral_envelope(envelope, MODEL_RATE_HZ, NUM_ENVELOPE)
    if bands:
        aperiodicity = pyworld.d4c(audio, f0, times, MODEL_RATE_HZ, fft_size=FFT_SAMPLES)
        out[:, NUM_ENVELOPE:LOG_F0] = pyworld.code_aperiodicity(aperiodicity, MODEL_RATE_HZ)
    out[:, LOG_F0] = interpolated_log_f0(f0)
    out[:, VOICING] = f0 > 0
    return out


def interpolated_log_f0(f0: np.ndarray) -> np.ndarray:
    """Natural log of F0, straight lines across unvoiced stretches."""
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) == 0:
        return np.full(len(f0), NEUTRAL_LOG_F0)
    return np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced]))


def synthesise(latents: FloatArray) -> FloatArray:
    """Audio float32 [240 * M] in -1..1 of raw latents [M, 64]."""
    from voicekit.world import pyworld

    frames = latents.astype(np.float64)
    if len(frames) == 0:
        return np.zeros(0, np.float32)
    f0 = np.where(frames[:, VOICING] > 0.5, np.exp(np.clip(frames[:, LOG_F0], np.log(F0_FLOOR_HZ), np.log(F0_CEIL_HZ))), 0.0)
    coded = np.ascontiguousarray(frames[:, :NUM_ENVELOPE])
    envelope = pyworld.decode_spectral_envelope(coded, MODEL_RATE_HZ, FFT_SAMPLES)
    bands = np.ascontiguousarray(np.clip(frames[:, NUM_ENVELOPE:LOG_F0], -60.0, 0.0))
    aperiodicity = pyworld.decode_aperiodicity(bands, MODEL_RATE_HZ, FFT_SAMPLES)
    audio = pyworld.synthesize(f0, envelope, aperiodicity, MODEL_RATE_HZ, 1000 / LATENT_HZ)
    wanted = SAMPLES_PER_LATENT * len(frames)
    return np.clip(np.pad(audio, (0, max(0, wanted - len(audio))))[:wanted], -1.0, 1.0).astype(np.float32)
