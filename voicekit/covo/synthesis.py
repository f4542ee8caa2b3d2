"""Speech tokens -> audio: decoder, normalisation and vocoder as one thing, for whole replies and for replies on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from voicekit.covo import vocoder
from voicekit.covo.config import REMEDY
from voicekit.covo.decoder import Before, Token2Latent
from voicekit.covo.given import Triple, checked_ids, checked_prompt, flat
from voicekit.errors import BaseModelError, InputError
from voicekit.records import FloatArray, IntArray, VoicePrompt
from voicekit.timebase import LATENTS_PER_TOKEN

# What is decoded costs as much as what is spoken: a prompt longer than this share would leave little room for speech.
PROMPT_SHARE = 0.35
KEPT_TOKENS = 12
FEWEST_NEW_TOKENS = 15
# A chunk's last tokens are decoded again with what follows.
HELD_TOKENS = 2
# From here on a stream no longer synthesises from the beginning of the reply, with a vocoder that hears of all before.
MOST_LATENTS = 600
CONTEXT_LATENTS = 100
CROSSFADE_SAMPLES = 240
WORLD = vocoder.World()


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation float32 [64] of the raw latents."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def load(cls, file: Path) -> Moments:
        """From `global_mean_var.npy`: the means, then as many variances."""
        try:
            numbers = np.load(file, allow_pickle=False).astype(np.float32).reshape(-1)
        except (OSError, ValueError) as error:
            raise BaseModelError(f"{file} cannot be read: {error}.", REMEDY) from None
        half = len(numbers) // 2
        if half == 0 or len(numbers) != 2 * half or not bool((numbers[half:] > 0).all()):
            raise BaseModelError(f"{file} must hold as many means as positive variances.", REMEDY)
        return cls(numbers[:half], np.sqrt(numbers[half:]))

    def normalise(self, raw: FloatArray) -> FloatArray:
        return (raw - self.mean) / self.deviation

    def denormalise(self, latents: FloatArray) -> FloatArray:
        return latents * self.deviation + self.mean


@dataclass(frozen=True, eq=False)
class Synthesis:
    """One base's way from tokens to sound. `window_tokens` is how many tokens the decoder may see at once."""

    decoder: Token2Latent
    moments: Moments
    window_tokens: int
    sound: vocoder.Vocoder = WORLD

    def fitting(self, prompt: VoicePrompt) -> VoicePrompt:
        """The prompt, or its end if it would take more than its share of the window."""
        most = max(1, int(PROMPT_SHARE * self.window_tokens))
        if len(prompt.tokens) <= most:
            return prompt
        kept = prompt.latents[: LATENTS_PER_TOKEN * len(prompt.tokens)][-LATENTS_PER_TOKEN * most :]
        return VoicePrompt(prompt.tokens[-most:], kept, prompt.speaker)

    def latents(self, tokens: IntArray, prompt: VoicePrompt) -> FloatArray:
        """Normalised latents float32 [4N, 64] of tokens [N]."""
        stream = LatentStream(self, prompt)
        done = 0
        while done < len(tokens):
            done += stream.room
            stream.extend(tokens[len(stream.tokens) : done], last=done >= len(tokens))
        return stream.latents

    def audio(self, tokens: IntArray, prompt: VoicePrompt) -> FloatArray:
        """Samples float32 [960 N] at 24 kHz of tokens [N]."""
        return self.sound.synthesise(self.moments.denormalise(self.latents(tokens, prompt)))

    def decode(self, tokens: ArrayLike, voice_prompt: VoicePrompt | Triple, noise: ArrayLike | None = None) -> FloatArray:
        """Samples float32 [240 (4 (P + N) - M)] at 24 kHz of tokens [N], decoded at once as the release does it.

        The prompt (P tokens, M latents, speaker) may be a triple with a leading dimension of 1, as may `noise`
        [4 (P + N), 64], where the ODE starts; without it noise of a fixed seed. All M latents are known prefix and cut off again,
        so a prompt whose latents outlast its tokens (the released one, by 3) takes so much off the beginning. Raises
        InputError if something does not fit the decoder.
        """
        sizes = self.decoder.config
        prompt = checked_prompt(voice_prompt, sizes.num_codes, sizes.latents, sizes.speaker_dim)
        ids = checked_ids(tokens, sizes.num_codes, "speech tokens")
        start = None if noise is None else flat(noise, np.float32, 2)
        wanted = (LATENTS_PER_TOKEN * (len(prompt.tokens) + len(ids)), sizes.latents)
        if start is not None and start.shape != wanted:
            raise InputError(f"The noise has shape {list(start.shape)}; it must be {list(wanted)}.", "Give that, or none.")
        return self.sound.synthesise(self.moments.denormalise(self.decoder.sample_behind(ids, prompt, start)))


class LatentStream:
    """Latents of tokens that come in pieces: each piece is decoded behind the prompt and the last tokens before it."""

    def __init__(self, synthesis: Synthesis, prompt: VoicePrompt) -> None:
        self._synthesis, self._prompt = synthesis, synthesis.fitting(prompt)
        self.tokens = np.zeros(0, np.int64)
        self.latents = np.zeros((0, synthesis.decoder.config.latents), np.float32)

    @property
    def room(self) -> int:
        """New tokens that fit into the decoder's window at once."""
        kept = min(KEPT_TOKENS, len(self.latents) // LATENTS_PER_TOKEN)
        held = len(self.tokens) - len(self.latents) // LATENTS_PER_TOKEN
        return max(FEWEST_NEW_TOKENS, self._synthesis.window_tokens - len(self._prompt.tokens) - kept - held)

    def extend(self, tokens: IntArray, last: bool = False) -> None:
        """Decode more tokens; the latents of the newest HELD_TOKENS follow later unless these are the `last`."""
        self.tokens = np.concatenate([self.tokens, tokens])
        ready = len(self.latents) // LATENTS_PER_TOKEN
        if ready == len(self.tokens):
            return
        first = max(0, ready - KEPT_TOKENS)
        before = Before(self.tokens[first:ready], self.latents[LATENTS_PER_TOKEN * first :], first) if ready else None
        new = self._synthesis.decoder.sample(self.tokens[ready:], self._prompt, before)
        if not last:
            new = new[: max(0, len(new) - LATENTS_PER_TOKEN * HELD_TOKENS)]
        self.latents = np.concatenate([self.latents, new])


class AudioStream:
    """Samples as soon as they can be made: `push` codes, then `finish`; all pieces joined are 960 samples a token.

    Samples wait for `HELD_TOKENS` tokens and for the vocoder's look-ahead: 80 + 30 ms with WORLD, 80 + 130 ms with the released
    BigVGAN. The pieces joined are what the vocoder makes of the same latents at once, within 1e-3 of full scale with WORLD and
    1e-4 with BigVGAN. The latents are not quite those of speech decoded at once, for the decoder's attention looks both ways and
    would see tokens that are still to come: with nano they differ by 0.13 (root mean square; latents have variance 1).
    """

    def __init__(self, synthesis: Synthesis, prompt: VoicePrompt) -> None:
        self._moments, self._sound = synthesis.moments, synthesis.sound
        self._latents = LatentStream(synthesis, prompt)
        self._anchor = 0
        self._given = 0
        self._tail = np.zeros(0, np.float32)

    def push(self, codes: Sequence[int]) -> FloatArray:
        """The samples float32 [n] that these codes have made ready."""
        self._latents.extend(np.asarray(codes, np.int64))
        return self._give(len(self._latents.latents) - self._sound.look_ahead_latents)

    def finish(self, codes: Sequence[int] = ()) -> FloatArray:
        """All that is left, after these last codes."""
        self._latents.extend(np.asarray(codes, np.int64), last=True)
        return self._give(len(self._latents.latents))

    def _give(self, ready: int) -> FloatArray:
        """Samples up to latent `ready`. Synthesised from an anchor, so that the waveform's phase goes on where it was."""
        end = self._sound.samples_per_latent * max(0, ready)
        if end <= self._given:
            return np.zeros(0, np.float32)
        moved = self._move_anchor()
        made = self._sound.synthesise(self._moments.denormalise(self._latents.latents[self._anchor :]))
        offset = self._sound.samples_per_latent * self._anchor
        new = made[self._given - offset : end - offset]
        if moved and len(self._tail):
            width = min(len(new), len(self._tail))
            fade = np.linspace(0, 1, width, dtype=np.float32)
            new[:width] = (1 - fade) * self._tail[:width] + fade * new[:width]
        self._tail = made[end - offset : end - offset + CROSSFADE_SAMPLES]
        self._given = end
        return new

    def _move_anchor(self) -> bool:
        """True if there is a seam to crossfade: in a long reply the context becomes the last second instead of everything.

        A vocoder that depends on a bounded context has no seam: it is given that context and no more.
        """
        given = self._given // self._sound.samples_per_latent
        if self._sound.context_latents is not None:
            self._anchor = max(0, given - self._sound.context_latents)
            return False
        if given - self._anchor <= MOST_LATENTS:
            return False
        self._anchor = given - CONTEXT_LATENTS
        return True
