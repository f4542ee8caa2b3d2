"""The processes that learn together, each on its own device: what they add up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter


@dataclass(frozen=True)
class Group:
    """This process's place among `size` processes; one alone unless torch.distributed was initialised."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Group:
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def first(self) -> bool:
        """Whether this process writes the files and reports."""
        return self.rank == 0

    def device(self, otherwise: torch.device) -> torch.device:
        """Where this process computes: its GPU in a group of GPUs."""
        if self.size > 1 and dist.get_backend() == "nccl":
            return torch.device("cuda", torch.cuda.current_device())
        return otherwise

    def most(self, count: int, device: torch.device) -> int:
        """The largest count of all processes; a number on `device` is exchanged."""
        found = torch.tensor(count, device=device)
        if self.size > 1:
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def neighbours(self) -> int:
        """How many of the processes, this one included, share this machine's memory."""
        return min(self.size, int(os.environ.get("LOCAL_WORLD_SIZE", self.size)))

    def add_up(self, tensor: Tensor) -> Tensor:
        """In place, the sum over all processes."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def add_up_gradients(self, parameters: Sequence[Parameter]) -> None:
        """Every process gets the sum of all gradients; one that had nothing to learn adds zeros."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        waiting = [dist.all_reduce(p.grad, async_op=True) for p in parameters if p.grad is not None]
        for work in waiting:
            if work is not None:
                work.wait()

    def of_all(self, tensor: Tensor) -> Tensor:
        """[size, ...]: everybody's, on the CPU."""
        if self.size == 1:
            return tensor[None]
        found: list[object] = [None] * self.size
        dist.all_gather_object(found, tensor)
        return torch.stack([t for t in found if isinstance(t, Tensor)])

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()
