"""Latents that no decoder would say, with their sound, and the straight way back from sound to latents.

The decoder's own speech shows what few voices sound like; real speakers lie outside of it. The vocoder makes sound of any
latents: each channel at another height and width and wandering by itself teaches what of a sound belongs to which of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from voicekit.covo.distillation.pairs import Pair, int16
from voicekit.covo.prompt_extractor import PromptExtractor, direct_rows
from voicekit.covo.synthesis import Synthesis
from voicekit.records import FloatArray

# Of normalised latents, whose variance is 1.
WIDER, HIGHER, WANDERING = 0.3, 1.0, 0.5
TURNING_LATENTS = 20
RIDGE = 30.0


def other_latents(pair: Pair, synthesis: Synthesis, seed: tuple[int, int]) -> Pair:
    """The pair with latents nearby and the sound of these; ValueError if it has none."""
    if pair.latents is None:
        raise ValueError("this pair has no latents")
    moved = _moved(pair.latents.astype(np.float32), np.random.default_rng(seed))
    samples = synthesis.sound.synthesise(synthesis.moments.denormalise(moved))
    return Pair(int16(samples), pair.tokens, pair.voice, moved.astype(np.float16))


def _moved(latents: FloatArray, rng: np.random.Generator) -> FloatArray:
    """[M, L] -> [M, L]."""
    frames, channels = latents.shape
    turns = max(2, frames // TURNING_LATENTS)
    heights = HIGHER * rng.standard_normal(channels) + WANDERING * rng.standard_normal((turns, channels))
    at, known = np.linspace(0, turns - 1, frames), np.arange(turns)
    wandering = np.stack([np.interp(at, known, column) for column in heights.T], axis=1)
    return (latents * np.exp(WIDER * rng.standard_normal(channels)) + wandering).astype(np.float32)


def solve_directly(extractor: PromptExtractor, pairs: Iterable[tuple[FloatArray, NDArray[np.float16]]]) -> None:
    """Give the extractor's direct way the weights that are best for these log-mels [4N, 100] and latents [4N, L], by ridge
    regression; what it learns beside that begins at nothing."""
    if extractor.direct is None:
        raise ValueError("this extractor has no direct way")
    squares = RIDGE * np.eye(extractor.direct.in_features)
    products = np.zeros((extractor.direct.in_features, extractor.direct.out_features))
    for mel, latents in pairs:
        rows = direct_rows(torch.from_numpy(mel)[None])[0].double().numpy()
        squares += rows.T @ rows
        products += rows.T @ latents.astype(np.float64)
    with torch.no_grad():
        extractor.direct.weight.copy_(torch.from_numpy(np.linalg.solve(squares, products).T))
        extractor.to_latents.weight.zero_()
        extractor.to_latents.bias.zero_()
