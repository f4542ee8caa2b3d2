"""Pairs of speech and tokens from a base's decoder, kept in shards: a shard that is there is not made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicekit.covo.decoder import Before
from voicekit.covo.distillation.sequences import Spoken
from voicekit.covo.distillation.sound import SHIFT, TEMPO, TRACT, at_speed, mean_f0_hz, other_speaker
from voicekit.covo.synthesis import KEPT_TOKENS, Synthesis
from voicekit.files import beside
from voicekit.ports import OnProgress, Progress
from voicekit.records import FloatArray, IntArray, VoicePrompt
from voicekit.timebase import LATENTS_PER_TOKEN, TOKEN_HZ

PAIR_TOKENS = 100
PAIRS_IN_SHARD = 20
# Starting noise belongs to a place in the speech: another place, other noise.
PLACES = 400
SPLICED, OWN = 0.3, 0.25
SPED, SHIFTED, OTHER_TRACTS = 0.7, 0.5, 0.5
FARTHEST_F0 = 2.0


@dataclass(frozen=True, eq=False)
class Pair:
    """Samples int16 [960 N] at 24 kHz, the tokens int64 [N] they were decoded from, in which voice.

    `latents` float16 [4N, L] are there where the speech was left as it was decoded.
    """

    samples: NDArray[np.int16]
    tokens: IntArray
    voice: int
    latents: NDArray[np.float16] | None

    @property
    def wave(self) -> FloatArray:
        return self.samples.astype(np.float32) / np.float32(32768)


@dataclass(frozen=True, eq=False)
class Source:
    """What pairs are made of: a synthesis, token sequences, voices (the first `own` are no inventions).

    With `neutral` the speech is varied: its pitch is put where that voice has it, and tract and tempo are others. A voice prompt
    moves the pitch of what it says; heard in voices made up, the tokens of a deep voice would be those of a higher one.
    """

    synthesis: Synthesis
    spoken: Sequence[Spoken]
    voices: Sequence[VoicePrompt]
    own: int
    seed: int
    neutral: VoicePrompt | None = None


def num_pairs(minutes: float) -> int:
    return max(1, round(minutes * 60 * TOKEN_HZ / PAIR_TOKENS))


def made_pairs(source: Source, count: int, folder: Path, report: OnProgress) -> list[Pair]:
    """`count` pairs of PAIR_TOKENS tokens (fewer where they were sped up), each the same whenever it is made."""
    return kept_pairs(lambda number: one_pair(source, number), count, folder, report)


def kept_pairs(make: Callable[[int], Pair], count: int, folder: Path, report: OnProgress) -> list[Pair]:
    """The first `count` of the pairs that `make` makes by their numbers."""
    pairs: list[Pair] = []
    for start in range(0, count, PAIRS_IN_SHARD):
        wanted = range(start, min(count, start + PAIRS_IN_SHARD))
        file = folder / f"{start // PAIRS_IN_SHARD:05d}-{len(wanted)}.npz"
        if not file.is_file():
            _write(file, [make(number) for number in wanted])
        pairs += _read(file)
        report(Progress("pairs", len(pairs) / count, f"{len(pairs)} of {count} pairs"))
    return pairs


def one_pair(source: Source, number: int) -> Pair:
    """Pair `number` of a source."""
    rng = np.random.default_rng((source.seed, number))
    tokens = _sequence(source.spoken, rng)
    own = source.own > 0 and rng.random() < OWN
    voice = int(rng.integers(source.own if own else len(source.voices)))
    place = int(rng.integers(PLACES))
    samples, latents = decoded(source.synthesis, tokens, source.voices[voice], place)
    if source.neutral is None:
        return Pair(int16(samples), tokens, voice, latents.astype(np.float16))
    tract = float(rng.uniform(*TRACT)) if rng.random() < OTHER_TRACTS else 1.0
    f0 = _times_to(decoded(source.synthesis, tokens, source.neutral, place)[0], samples)
    if tract != 1.0 or f0 != 1.0:
        samples = other_speaker(samples, tract, f0)
    if rng.random() < SPED:
        shift = float(rng.uniform(*SHIFT)) if rng.random() < SHIFTED else 1.0
        samples, tokens = at_speed(samples, tokens, float(rng.uniform(*TEMPO)) * shift, shift)
    return Pair(int16(samples), tokens, voice, None)


def _times_to(like: FloatArray, samples: FloatArray) -> float:
    """How many times as high `samples` must be for the pitch of `like`; 1 where either has none."""
    wanted_hz, found_hz = mean_f0_hz(like), mean_f0_hz(samples)
    return float(np.clip(wanted_hz / found_hz, 1 / FARTHEST_F0, FARTHEST_F0)) if wanted_hz and found_hz else 1.0


def decoded(synthesis: Synthesis, tokens: IntArray, voice: VoicePrompt, place: int = 0) -> tuple[FloatArray, FloatArray]:
    """Samples [960 N] and normalised latents [4N, L] of tokens [N], in pieces as the decoder's window takes them."""
    prompt = synthesis.fitting(voice)
    room = max(1, synthesis.window_tokens - len(prompt.tokens) - KEPT_TOKENS)
    made = np.zeros((0, synthesis.decoder.config.latents), np.float32)
    for start in range(0, len(tokens), room):
        first = max(0, start - KEPT_TOKENS)
        before = Before(tokens[first:start], made[LATENTS_PER_TOKEN * first :], place + first)
        made = np.concatenate([made, synthesis.decoder.sample(tokens[start : start + room], prompt, before)])
    return synthesis.sound.synthesise(synthesis.moments.denormalise(made)), made


def _sequence(spoken: Sequence[Spoken], rng: np.random.Generator) -> IntArray:
    """PAIR_TOKENS tokens: utterances one after the other, or short pieces of many, so that context says little."""
    spliced = rng.random() < SPLICED
    parts: list[IntArray] = []
    while sum(len(part) for part in parts) < PAIR_TOKENS:
        codes = spoken[int(rng.integers(len(spoken)))].codes
        if spliced:
            width = int(rng.integers(8, 33))
            start = int(rng.integers(max(1, len(codes) - width + 1)))
            codes = codes[start : start + width]
        parts.append(codes)
    return np.concatenate(parts)[:PAIR_TOKENS]


def int16(samples: FloatArray) -> NDArray[np.int16]:
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)


def _write(file: Path, pairs: Sequence[Pair]) -> None:
    arrays: dict[str, Any] = {
        "samples": np.concatenate([pair.samples for pair in pairs]),
        "tokens": np.concatenate([pair.tokens for pair in pairs]).astype(np.int32),
        "lengths": np.array([len(pair.tokens) for pair in pairs]),
        "voices": np.array([pair.voice for pair in pairs]),
    }
    if latents := [pair.latents for pair in pairs if pair.latents is not None]:
        arrays["latents"] = np.concatenate(latents)
    with beside(file) as tmp, tmp.open("wb") as sink:
        np.savez(sink, **arrays)


def _read(file: Path) -> list[Pair]:
    with np.load(file, allow_pickle=False) as stored:
        ends = np.cumsum(stored["lengths"])[:-1]
        tokens = np.split(stored["tokens"].astype(np.int64), ends)
        samples = np.split(stored["samples"], ends * (len(stored["samples"]) // int(stored["lengths"].sum())))
        latents = np.split(stored["latents"], ends * LATENTS_PER_TOKEN) if "latents" in stored else [None] * len(tokens)
        rows = zip(samples, tokens, stored["voices"], latents, strict=True)
        return [Pair(sound, ids, int(voice), known) for sound, ids, voice, known in rows]
