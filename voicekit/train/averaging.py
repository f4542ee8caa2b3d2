"""A running average of the trained weights: steadier than the last step's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Parameter

from voicekit.train.sharding import local, part_like


class Average:
    """avg += (1 - d) (weight - avg) after each step; d = min(decay, (1 + step) / (10 + step)) soon forgets the beginning."""

    def __init__(self, parameters: Sequence[Parameter], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.values = [p.detach().clone() for p in parameters] if decay else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for value, parameter in zip(self.values, self.parameters, strict=False):
            local(value).lerp_(local(parameter), 1 - decay)

    @torch.no_grad()
    def restore(self, values: Sequence[Tensor]) -> None:
        for mine, value in zip(self.values, values, strict=True):
            local(mine).copy_(local(part_like(value, mine)))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model with averaged weights; without averaging, as it is."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        # By content: what gathers sharded weights knows them by their place in memory.
        for value, parameter in zip(self.values, self.parameters, strict=False):
            kept = local(value).clone()
            local(value).copy_(local(parameter))
            local(parameter).copy_(kept)
