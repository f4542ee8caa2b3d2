"""The chat model by plain arrays, as the released code is called: features, logits, generated ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from voicekit.covo.chat import CovoChat
from voicekit.covo.given import checked_ids, flat
from voicekit.covo.sampling import GREEDY, Sampling
from voicekit.errors import InputError
from voicekit.prompt import PromptFormat
from voicekit.records import FloatArray, IntArray


class DirectChat:
    """No text tokenizer is needed. Arrays may have a leading dimension of 1; InputError if something does not fit."""

    def __init__(self, chat: CovoChat, prompt: PromptFormat) -> None:
        self._chat, self._prompt = chat, prompt

    def audio_features(self, waveform_24k: ArrayLike) -> FloatArray:
        """Mono samples [T] at 24 kHz -> float32 [N, hidden], a row for each audio placeholder of the prompt."""
        return self._chat.audio_features(flat(waveform_24k, np.float32, 1)).cpu().numpy()

    def logits(self, input_ids: ArrayLike, audio_features: ArrayLike | None = None) -> FloatArray:
        """float32 [L, V]: row l predicts what follows input_ids [L]. The features [N, hidden] replace its placeholders."""
        ids, frames = self._given(input_ids, audio_features)
        return self._chat.logits(ids, frames).cpu().numpy()

    def generate(
        self,
        input_ids: ArrayLike,
        audio_features: ArrayLike | None = None,
        max_new_tokens: int = 2048,
        do_sample: bool = False,
        temperature: float = 0.5,
        top_k: int = 50,
        top_p: float = 0.9,
        repetition_penalty: float = 1.0,
        repetition_window: int = 8,
        seed: int = 0,
        stop_ids: Sequence[int] | None = None,
    ) -> IntArray:
        """New ids int64 [n], the ending one left out; greedy unless `do_sample`.

        It ends at `stop_ids` (those of turn and text if not given), after `max_new_tokens`, or where the model's positions end.
        """
        ids, frames = self._given(input_ids, audio_features)
        heat = temperature if do_sample else GREEDY.temperature
        sampling = Sampling(heat, top_k, top_p, False, repetition_penalty, repetition_window)
        stops = (self._prompt.im_end, self._prompt.end_of_text) if stop_ids is None else stop_ids
        return np.array(self._chat.generate(ids, frames, max_new_tokens, sampling, stops, seed), np.int64)

    def _given(self, input_ids: ArrayLike, audio_features: ArrayLike | None) -> tuple[list[int], Tensor | None]:
        ids = checked_ids(input_ids, self._prompt.audio_offset + self._prompt.num_codes, "input ids")
        if len(ids) == 0:
            raise InputError("There are no input ids.", "Give at least one.")
        if audio_features is None:
            return ids.tolist(), None
        frames = flat(audio_features, np.float32, 2)
        wanted = (int((ids == self._prompt.audio_pad).sum()), self._chat.config.hidden_size)
        if frames.shape != wanted:
            problem = f"The audio features have shape {list(frames.shape)}, the ids have {wanted[0]} placeholders"
            raise InputError(f"{problem} (id {self._prompt.audio_pad}).", f"Give features of shape {list(wanted)}.")
        return ids.tolist(), torch.from_numpy(frames).to(self._chat.device)
