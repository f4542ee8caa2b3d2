"""Cheap variety on mel frames: other vocal tracts, rates, channels, rooms and noise."""

from __future__ import annotations

import numpy as np

from voicekit.records import FloatArray


def augment(mel: FloatArray, pitch: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(what the encoder sees [4N', 80], clean mel [4N', 80], pitch in Hz [N']) of one clip.

    Warps of frequency and time change the clean mel too; channel, noise and masks only what is seen.
    """
    if rng.random() < 0.6:
        mel, pitch = warp_frequency(mel, pitch, float(np.exp(rng.normal(0.0, 0.09))))
    if rng.random() < 0.5:
        mel, pitch = stretch(mel, pitch, float(rng.uniform(0.85, 1.2)))
    seen = mel
    if rng.random() < 0.7:
        seen = channel(seen, rng)
    if rng.random() < 0.35:
        seen = smear(seen, float(rng.uniform(0.3, 0.75)))
    if rng.random() < 0.6:
        seen = add_noise(seen, rng)
    return mask(seen, rng).astype(np.float32), mel.astype(np.float32), pitch.astype(np.float32)


def warp_frequency(mel: FloatArray, pitch: FloatArray, factor: float) -> tuple[FloatArray, FloatArray]:
    """Vocal-tract warp: energy at f moves to f * factor (HTK mel axis, 20 Hz - 8 kHz)."""
    top, low = 2595 * np.log10(1 + 8000 / 700), 2595 * np.log10(1 + 20 / 700)
    axis = np.linspace(low, top, 82)[1:-1]
    hz = 700 * (10 ** (axis / 2595) - 1)
    source = np.interp(2595 * np.log10(1 + hz / factor / 700), axis, np.arange(80))
    left = np.clip(source.astype(int), 0, 78)
    part = (source - left).astype(np.float32)
    return mel[:, left] * (1 - part) + mel[:, left + 1] * part, pitch * factor


def stretch(mel: FloatArray, pitch: FloatArray, factor: float) -> tuple[FloatArray, FloatArray]:
    """Slower (factor > 1) or faster, pitch unchanged."""
    tokens = max(4, round(len(pitch) * factor))
    source = np.linspace(0, len(mel) - 1, 4 * tokens)
    left = np.minimum(source.astype(int), len(mel) - 2)
    part = (source - left).astype(np.float32)[:, None]
    near = np.linspace(0, len(pitch) - 1, tokens).round().astype(int)
    slower = mel[left] * (1 - part) + mel[left + 1] * part
    return slower.astype(np.float32, copy=False), pitch[near]


def channel(mel: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A smooth random equaliser of about +-6 dB, and another level."""
    curve = np.interp(np.arange(80), np.linspace(0, 79, 6), rng.normal(0.0, 0.8, 6))
    return mel + (curve + rng.normal(0.0, 0.5)).astype(np.float32)


def smear(mel: FloatArray, keep: float) -> FloatArray:
    """A room: power decays over frames (`keep` of the tail's power remains after 10 ms)."""
    power = np.exp(mel)
    tail = np.zeros_like(power)
    state = np.zeros(80, np.float32)
    for t in range(len(power)):
        tail[t] = state
        state = keep * (state + 0.25 * power[t])
    return np.log(power + tail)


def add_noise(mel: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Stationary coloured noise 5-35 dB under the speech."""
    speech = np.log(np.exp(mel).mean())
    curve = np.interp(np.arange(80), np.linspace(0, 79, 5), rng.normal(0.0, 1.2, 5))
    floor = speech - rng.uniform(5, 35) * 0.23 + curve
    noise = np.exp(floor) * rng.gamma(4.0, 0.25, mel.shape)
    return np.log(np.exp(mel) + noise)


def mask(mel: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Up to two bands and a few short spans replaced by the clip's mean."""
    mel = mel.copy()
    mean = mel.mean(0)
    for _ in range(int(rng.integers(0, 3))):
        width, start = int(rng.integers(2, 12)), int(rng.integers(0, 70))
        mel[:, start : start + width] = mean[start : start + width]
    for _ in range(int(rng.integers(0, 1 + len(mel) // 120))):
        width, start = int(rng.integers(3, 16)), int(rng.integers(0, len(mel)))
        mel[start : start + width] = mean
    return mel
