"""Speech without a speaker: each word is a burst of tone, so that what is said, where and how well is known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from voicekit.ports import Aligner, Transcriber
from voicekit.prepare import Means
from voicekit.prepare.clips import Tools
from voicekit.records import FloatArray, Heard, Waveform, Word

RATE_HZ = 16_000
WORD_S = 0.25
GAP_S = 0.06
_QUIET = 0.02


def say(
    text: str,
    pause_s: float = 0.4,
    edge_s: float = 0.5,
    level: float = 0.2,
    noise: float = 1e-4,
    rate_hz: int = RATE_HZ,
) -> Waveform:
    """One burst a word, a pause after each that ends with a sign, silence around, a little noise over all."""
    parts: list[FloatArray] = [_silence(edge_s, rate_hz)]
    t = np.arange(int(WORD_S * rate_hz)) / rate_hz
    envelope = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.01)
    words = text.split()
    for i, word in enumerate(words):
        parts.append((level * envelope * np.sin(2 * np.pi * 220.0 * t)).astype(np.float32))
        if i + 1 < len(words):
            parts.append(_silence(pause_s if word[-1] in ".,;!?" else GAP_S, rate_hz))
    parts.append(_silence(edge_s, rate_hz))
    samples = np.concatenate(parts)
    samples += noise * np.random.default_rng(crc32(text.encode())).standard_normal(len(samples)).astype(np.float32)
    return Waveform(samples[None], rate_hz)


def speech_s(text: str, pause_s: float = 0.4) -> float:
    """From the first burst to the last."""
    words = text.split()
    return WORD_S * len(words) + sum(pause_s if w[-1] in ".,;!?" else GAP_S for w in words[:-1])


class BurstVad:
    """Speech is what is loud; bursts less than 0.15 s apart are one stretch."""

    name = "bursts"

    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        for start_s, end_s in bursts(wave):
            if spans and start_s - spans[-1][1] < 0.15:
                spans[-1] = (spans[-1][0], end_s)
            else:
                spans.append((start_s, end_s))
        return spans


class BurstAligner:
    """Knows as many words as there are bursts; the match falls with every word too many or too few."""

    name = "bursts"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        self.calls.append(text)
        words, found = text.split(), bursts(wave)
        match = min(len(words), len(found)) / max(len(words), len(found), 1)
        if not found or len(found) < len(words):
            return None
        return tuple(Word(w, *span) for w, span in zip(words, found, strict=False)), match


class BurstCounter:
    """A transcriber that hears one word a burst."""

    name = "burst counter"

    def transcribe(self, wave: Waveform, language: str | None = None) -> str:
        return self.hear(wave).text

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        words = tuple(Word("la", *span) for span in bursts(wave))
        return Heard(" ".join(word.text for word in words), words, language or "en")


def bursts(wave: Waveform) -> list[tuple[float, float]]:
    size = wave.sample_rate_hz // 100
    samples = wave.mono()
    loud = np.abs(samples[: len(samples) // size * size].reshape(-1, size)).max(axis=1) > _QUIET
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]])))
    return [(float(a) / 100, float(b) / 100) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def sentences(count: int, words: int = 6) -> Sequence[str]:
    """Different texts of the same length."""
    names = "one two three four five six seven eight nine ten".split()
    return [" ".join(names[(i * 3 + k * (i + 1)) % 10] for k in range(words)) + "." for i in range(count)]


def _silence(seconds: float, rate_hz: int) -> FloatArray:
    return np.zeros(int(seconds * rate_hz), np.float32)


def burst_means(*aligners: Aligner, transcriber: Transcriber | None = None, **more: Any) -> Means:
    """What prepares recordings of bursts; `more` are other fields of Means."""
    return Means(Tools(BurstVad(), aligners or [BurstAligner()], transcriber), **more)
