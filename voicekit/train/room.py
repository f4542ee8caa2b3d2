"""In which pieces a step is learned, so that it fits the memory: chosen before the start, halved when memory runs out.

Micro-batches are divided by once a step, so the pieces change rounding and speed, not the result.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from voicekit import files
from voicekit.errors import ResourceError
from voicekit.ports import Forecast
from voicekit.records import TrainingExample
from voicekit.train.batches import Batch, collate, micro_batches
from voicekit.train.checkpoint import storage_errors
from voicekit.train.fits import Fit, part_of, probed
from voicekit.train.group import Group
from voicekit.train.sharding import filled
from voicekit.train.trainable import Trainable

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

T = TypeVar("T")
FILE = "memory.json"


@dataclass
class Room:
    """The pieces of one run. `together`: processes share the weights, and `holds`: some of them may hold text to the base.

    `retries`: how often memory ran out; `news`: what to tell people once.
    """

    fit: Fit
    examples: Sequence[TrainingExample]
    spec: TrainSpec
    folder: Path
    together: bool = False
    holds: bool = False
    retries: int = 0
    news: str = ""

    def __post_init__(self) -> None:
        self.group = Group.current()
        self.expected = self.fit.expected
        self.micro_tokens = self.fit.micro_tokens
        if self.micro_tokens != self.spec.micro_tokens:
            self._remember(f"to fit the memory, {self.micro_tokens} ids are learned at a time")

    def try_out(self, trainable: Trainable, speech_from: int) -> None:
        """One pass over the largest micro-batch that leaves nothing behind: if memory is to run out, it does so here."""
        work, device = self.fit.work, trainable.llm.device

        def attempt(pieces: list[list[TrainingExample]]) -> Forecast:
            largest = max(pieces, key=_num_ids)
            part = part_of(work, largest)
            share = part.micro_tokens / work.micro_tokens
            expected = replace(self.expected, pass_bytes=int(share * self.expected.pass_bytes), micro_tokens=part.micro_tokens)
            batch = self.batch(largest, device, speech_from)
            assert batch is not None, "the largest micro-batch has something to learn"
            return probed(expected, trainable, batch, part)

        self.expected = self.learning([self.examples[i] for i in work.largest], attempt, device)

    def batch(self, piece: Sequence[TrainingExample], device: torch.device, speech_from: int) -> Batch | None:
        """A piece as tensors; None if nothing is to be learned of it and no other process waits for this one."""
        batch = collate(piece, device, speech_from)
        return filled(batch, device, self.holds) if self.together else batch

    def learning(
        self, examples: Sequence[TrainingExample], learn: Callable[[list[list[TrainingExample]]], T], device: torch.device
    ) -> T:
        """`learn` the examples in pieces; when memory runs out, again in pieces half as large, down to single examples.

        `learn` must begin by dropping what an earlier attempt left (gradients); random numbers are set back here. Processes that
        share the weights need each other in every piece: all have as many, some of them empty, and none can begin again alone.
        """
        rng = torch.get_rng_state()
        device_rng = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        while True:
            pieces = [[examples[i] for i in piece] for piece in micro_batches(range(len(examples)), examples, self.micro_tokens)]
            if self.together:
                pieces += [[]] * (self.group.most(len(pieces), device) - len(pieces))
            try:
                return learn(pieces)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if max(len(piece) for piece in pieces) == 1:
                    raise out_of_memory(self.spec) from error
                if self.together:
                    self._halve(pieces)
                    raise out_of_memory_together(self.micro_tokens) from error
            # Here nothing holds the failed attempt's tensors any more.
            self._halve(pieces)
            gc.collect()
            if device_rng is not None:
                torch.cuda.empty_cache()
                torch.cuda.set_rng_state(device_rng, device)
            torch.set_rng_state(rng)

    def _halve(self, pieces: Sequence[Sequence[TrainingExample]]) -> None:
        self.micro_tokens = max(1, max(map(_num_ids, pieces)) // 2)
        self.retries += 1
        self._remember(f"memory ran out: from now on {self.micro_tokens} ids are learned at a time (the result stays the same)")

    def _remember(self, news: str) -> None:
        self.news = news
        if not self.group.first and not self.together:
            return
        with storage_errors(self.folder / FILE):
            files.write_text(self.folder / FILE, json.dumps({"micro_tokens": self.micro_tokens}) + "\n")

    def take_news(self) -> str:
        told, self.news = self.news, ""
        return told

    def notes(self) -> dict[str, float]:
        mb = 2**20
        return {
            "memory_foreseen_mb": self.expected.total_bytes / mb,
            "pass_foreseen_mb": self.expected.pass_bytes / mb,
            "pass_measured_mb": self.expected.measured_bytes / mb,
            "micro_tokens": float(self.micro_tokens),
            "memory_retries": float(self.retries),
        }


def _num_ids(examples: Sequence[TrainingExample]) -> int:
    return sum(len(e.ids) for e in examples)


def remembered(folder: Path, spec: TrainSpec) -> TrainSpec:
    """The spec with the pieces that an earlier attempt in this folder came to."""
    try:
        micro_tokens = int(json.loads((folder / FILE).read_text())["micro_tokens"])
    except (OSError, ValueError, KeyError):
        return spec
    return spec.model_copy(update={"micro_tokens": micro_tokens})


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU, or of the machine as Python and torch report it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def out_of_memory(spec: TrainSpec) -> ResourceError:
    method = spec.method
    less = "train a LoRA adapter (train.method)" if method.kind == "full" else f"lower train.method.rank (now {method.rank})"
    return ResourceError(
        "The machine ran out of memory in training, even with one example at a time.",
        f"What was learned is kept: close other programs and run it again, {less}, or leave out the longest recordings.",
    )


def out_of_memory_together(micro_tokens: int) -> ResourceError:
    return ResourceError(
        "A process ran out of memory in sharded training; the others cannot go on without it.",
        f"Run it again: it goes on from its checkpoint, with {micro_tokens} ids at a time.",
    )
