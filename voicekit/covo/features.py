"""What the speech tokenizer sees (log-mel) and what describes a speaker to the decoder (statistics of latents)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from transformers.audio_utils import mel_filter_bank

from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ, SAMPLES_PER_TOKEN

MEL_RATE_HZ = 16_000
NUM_MELS = 80
HOP_SAMPLES = 160
WINDOW_SAMPLES = 400
FFT_SAMPLES = 512
LOG_FLOOR = 1e-6
PITCH_LATENTS = (62, 63)


@lru_cache(maxsize=1)
def _filters() -> FloatArray:
    bank = mel_filter_bank(FFT_SAMPLES // 2 + 1, NUM_MELS, 20.0, MEL_RATE_HZ / 2, MEL_RATE_HZ, norm=None, mel_scale="htk")
    return bank.astype(np.float32)


def num_tokens(num_samples_24k: int) -> int:
    """How many 25 Hz tokens cover so many samples at 24 kHz: the last one may be partly silence."""
    return -(-num_samples_24k // SAMPLES_PER_TOKEN)


def whole_tokens(samples_24k: FloatArray) -> FloatArray:
    """The samples with silence behind them, as long as the tokens that cover them."""
    return np.pad(samples_24k, (0, num_tokens(samples_24k.shape[0]) * SAMPLES_PER_TOKEN - samples_24k.shape[0]))


def at_16k(samples_24k: FloatArray) -> FloatArray:
    """`whole_tokens` float32 at 16 kHz."""
    import soxr  # not above: training from prepared features needs no resampler

    return np.asarray(soxr.resample(whole_tokens(samples_24k), MODEL_RATE_HZ, MEL_RATE_HZ), dtype=np.float32)


def log_mel(samples_24k: FloatArray) -> FloatArray:
    """Natural-log mel power float32 [4N, 80] at 100 Hz of mono samples [T] at 24 kHz; N = num_tokens(T)."""
    return log_mel_16k(at_16k(samples_24k))


def log_mel_16k(samples_16k: FloatArray) -> FloatArray:
    """The same for samples at 16 kHz whose number is a multiple of 640 (one token)."""
    frames = samples_16k.shape[0] // HOP_SAMPLES
    side = (FFT_SAMPLES - HOP_SAMPLES) // 2
    padded = np.pad(samples_16k, (side, side))
    view = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES][:frames]
    window = np.zeros(FFT_SAMPLES, np.float32)
    offset = (FFT_SAMPLES - WINDOW_SAMPLES) // 2
    window[offset : offset + WINDOW_SAMPLES] = np.hanning(WINDOW_SAMPLES).astype(np.float32)
    power = np.abs(np.fft.rfft(view * window, axis=1)).astype(np.float32) ** 2
    return np.log(power @ _filters() + LOG_FLOOR)


def speaker_vector(latents: FloatArray, *, with_pitch: bool = False) -> FloatArray:
    """float32 [128]: mean and log standard deviation over time of normalised latents [M, 64].

    Pitch and voicing are left out: they are said by the speech tokens, and must not be settled by the voice prompt. `with_pitch`,
    for tokens that say the pitch relative to the speaker's own, the mean of log F0 is its median where there is voice.
    """
    mean, spread = latents.mean(axis=0), np.log(latents.std(axis=0) + 1e-3)
    mean[list(PITCH_LATENTS)] = spread[list(PITCH_LATENTS)] = 0.0
    if with_pitch:
        log_f0, voicing = latents[:, PITCH_LATENTS[0]], latents[:, PITCH_LATENTS[1]]
        voiced = voicing > (voicing.min() + voicing.max()) / 2
        mean[PITCH_LATENTS[0]] = np.median(log_f0[voiced] if voiced.any() else log_f0)
    return np.concatenate([mean, spread]).astype(np.float32)
