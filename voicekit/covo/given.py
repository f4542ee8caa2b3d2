"""Arrays as callers give them: with or without a leading dimension of 1, as tensors or numpy; checked before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike

from voicekit.errors import InputError
from voicekit.records import IntArray, VoicePrompt

# Tokens, latents and speaker embedding, as the released code keeps a voice prompt.
Triple = Sequence[ArrayLike]


def flat(given: ArrayLike, dtype: DTypeLike, dims: int) -> Any:
    """An array of `dims` dimensions; one more is dropped if it is a batch of one. InputError for any other shape."""
    if isinstance(given, torch.Tensor):
        given = given.detach().cpu().to(torch.from_numpy(np.zeros(0, dtype)).dtype).numpy()
    try:
        made = np.asarray(given, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"Something given is no array of numbers: {error}.", "Give numpy arrays, tensors or lists.") from None
    made = made[0] if made.ndim == dims + 1 and len(made) == 1 else made
    if made.ndim != dims:
        raise InputError(f"An array has shape {list(made.shape)}.", f"Give {dims} {'dimension' if dims == 1 else 'dimensions'}.")
    return made


def checked_ids(given: ArrayLike, count: int, what: str) -> IntArray:
    """int64 [N], each 0 <= id < count."""
    ids = flat(given, np.int64, 1)
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < count:
        raise InputError(f"There are {what} from {ids.min()} to {ids.max()}.", f"They must lie in 0 ... {count - 1}.")
    return ids


def checked_prompt(given: VoicePrompt | Triple, num_codes: int, latents: int, speaker_dim: int) -> VoicePrompt:
    """A voice prompt whose sizes are the decoder's."""
    parts = (given.tokens, given.latents, given.speaker) if isinstance(given, VoicePrompt) else tuple(given)
    if len(parts) != 3:
        raise InputError(f"The voice prompt has {len(parts)} parts.", "Give tokens, latents and speaker embedding.")
    tokens = checked_ids(parts[0], num_codes, "prompt tokens")
    known, speaker = flat(parts[1], np.float32, 2), flat(parts[2], np.float32, 1)
    if known.shape[1] != latents or len(speaker) != speaker_dim:
        raise InputError(
            f"The voice prompt has latents of {known.shape[1]} numbers and a speaker embedding of {len(speaker)}.",
            f"This decoder takes {latents} and {speaker_dim}.",
        )
    return VoicePrompt(tokens, known, speaker)
