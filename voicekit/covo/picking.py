"""The next token of every row at once, on the device where the logits are; nothing here waits for the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voicekit.covo.sampling import Chooser, Pool, Sampling
from voicekit.prompt import PromptFormat


class Picker:
    """Picks for `choosers`, up to `count` tokens each. Its tensors keep their places in memory, so that a recorded CUDA graph may
    work on them; `load` gives them to other rows.

    `said` int64 [B, count] are the tokens picked so far, `place` int64 [1] how many these are.
    """

    def __init__(self, choosers: Sequence[Chooser], count: int, device: torch.device) -> None:
        self.way = way_of(choosers)
        rows = len(choosers)

        def empty(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self._pool, self.place, self.said = empty(rows, 1), empty(1), empty(rows, count)
        self._forced, self._may_end = empty(rows, count), empty(rows, count, dtype=torch.bool)
        self._uniform = empty(rows, count, dtype=torch.float64)
        self._recent = empty(rows, max(1, self.way.sampling.repetition_window))
        self.load(choosers)

    def load(self, choosers: Sequence[Chooser]) -> None:
        plans = [chooser.plan(self.said.shape[1]) for chooser in choosers]
        self._pool.copy_(torch.tensor([[chooser.pool] for chooser in choosers]))
        for tensor, name in ((self._forced, "forced"), (self._may_end, "may_end"), (self._uniform, "uniform")):
            tensor.copy_(torch.from_numpy(np.stack([getattr(plan, name) for plan in plans])))
        self._recent.fill_(-1)
        self.place.zero_()

    def keep(self, index: Tensor) -> None:
        """Go on with these rows only."""
        for name in ("_pool", "said", "_forced", "_may_end", "_uniform", "_recent"):
            setattr(self, name, getattr(self, name).index_select(0, index))

    def state(self) -> list[Tensor]:
        """What picking changes."""
        return [self.place, self.said, self._recent]

    def pick(self, logits: Tensor) -> Tensor:
        """logits [B, V] -> the next ids int64 [B], noted in `said`."""
        forced, uniform = (t.index_select(1, self.place)[:, 0] for t in (self._forced, self._uniform))
        free = forced < 0
        x = penalised(logits, self._recent, self.way.sampling.repetition_penalty)
        chosen = torch.where(free, self._picked(x, uniform), forced)
        self._recent.copy_(torch.cat([self._recent[:, 1:], chosen[:, None]], 1).where(free[:, None], self._recent))
        self.said.index_copy_(1, self.place, chosen[:, None])
        self.place += 1
        return chosen

    def _picked(self, x: Tensor, uniform: Tensor) -> Tensor:
        """One of all ids, or of speech, as each row's pool has it."""
        prompt, pool = self.way.prompt, self._pool[:, 0]
        out = None
        if Pool.ALL in self.way.pools:
            out = draw(x, self.way.sampling, uniform)
        if self.way.pools == {Pool.ALL}:
            assert out is not None
            return out
        assert prompt is not None, "what reads or replies has a prompt format"
        speech = x[:, prompt.audio_offset : prompt.audio_offset + prompt.num_codes]
        spoken = prompt.audio_offset + draw(speech, self.way.sampling, uniform)
        if Pool.LIKELIEST_TEXT in self.way.pools:
            top = x.argmax(-1)
            is_speech = (top >= prompt.audio_offset) & (top < prompt.audio_offset + prompt.num_codes)
            likeliest = spoken.where(is_speech, top)
            out = likeliest if out is None else likeliest.where(pool == Pool.LIKELIEST_TEXT, out)
        if Pool.SPEECH in self.way.pools:
            may_end = self._may_end.index_select(1, self.place)[:, 0]
            ends = may_end & (x[:, prompt.im_end] > speech.amax(-1))
            read = spoken.masked_fill(ends, prompt.im_end)
            out = read if out is None else read.where(pool == Pool.SPEECH, out)
        assert out is not None
        return out


@dataclass(frozen=True)
class Way:
    """What is the same in all rows, or for all of them: a recorded graph is good for one way."""

    sampling: Sampling
    pools: frozenset[Pool]
    prompt: PromptFormat | None


def way_of(choosers: Sequence[Chooser]) -> Way:
    """Raises ValueError if the rows cannot be picked together."""
    samplings, prompts = {chooser.sampling for chooser in choosers}, {chooser.prompt for chooser in choosers} - {None}
    if len(samplings) != 1 or len(prompts) > 1:
        raise ValueError("the rows of a batch are sampled in one way")
    return Way(samplings.pop(), frozenset(chooser.pool for chooser in choosers), next(iter(prompts), None))


def penalised(logits: Tensor, recent: Tensor, penalty: float) -> Tensor:
    """The logits [B, V] with those of the ids `recent` int64 [B, W] (-1: none) made less likely."""
    if penalty == 1.0:
        return logits
    rows, size = logits.shape
    told = torch.zeros(rows, size + 1, dtype=torch.bool, device=logits.device)
    told.scatter_(1, recent.where(recent >= 0, size), True)
    less = (logits / penalty).where(logits > 0, logits * penalty)
    return less.where(told[:, :size], logits)


def draw(logits: Tensor, sampling: Sampling, uniform: Tensor) -> Tensor:
    """One index of each row of logits [B, V], by uniform numbers float64 [B] in 0..1: equal numbers give equal draws."""
    if sampling.temperature <= 0:
        return logits.argmax(-1)
    size = logits.shape[-1]
    values, ids = logits.float().topk(min(sampling.top_k, size) if sampling.top_k > 0 else size)
    scaled = values.double() / sampling.temperature
    total = (scaled - scaled[:, :1]).exp().cumsum(-1)
    last = torch.full_like(ids[:, :1], total.shape[1] - 1)
    if sampling.top_p < 1.0:
        last = (total < sampling.top_p * total[:, -1:]).sum(-1, keepdim=True).minimum(last)
    place = (total <= uniform[:, None] * total.gather(1, last)).sum(-1, keepdim=True).minimum(last)
    return ids.gather(1, place)[:, 0]
