"""Long sound in blocks, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voicekit.records import FloatArray, Waveform
from voicekit.timebase import seconds_to_samples

BLOCK_S = 60.0
OVERLAP_S = 2.0


def in_blocks(
    wave: Waveform, process: Callable[[FloatArray], FloatArray], block_s: float = BLOCK_S, overlap_s: float = OVERLAP_S
) -> Waveform:
    """`process` of stretches float32 [C, n] of the wave, each as long as it was, joined by linear cross-fades."""
    block, overlap = (seconds_to_samples(s, wave.sample_rate_hz) for s in (block_s, overlap_s))
    total = wave.num_samples
    if total <= block:
        return Waveform(process(wave.samples), wave.sample_rate_hz)
    made = np.zeros_like(wave.samples)
    fade = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    start = 0
    while True:
        # The last block is as long as the others: it begins earlier instead, and what is known already stays.
        end = min(start + block, total)
        first = max(0, end - block)
        piece = process(wave.samples[:, first:end])[:, start - first :].copy()
        if start > 0:
            piece[:, :overlap] *= fade
        if end == total:
            made[:, start:end] += piece
            return Waveform(made, wave.sample_rate_hz)
        piece[:, -overlap:] *= fade[::-1]
        made[:, start:end] += piece
        start = end - overlap
