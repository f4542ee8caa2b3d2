"""Will a run fit this machine, and how long will it take: predicted before it starts, checked by one measured pass.

The prediction runs the loop's own code on the largest micro-batch without numbers (see `ledger`). The probe runs the same for
real and measures: on a GPU by the allocator's peak, on a CPU by every allocation that the profiler saw (exact, unlike the
resident size, which also holds what was freed and what libraries keep).
"""

from __future__ import annotations

import gc
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import Qwen2ForCausalLM

from voicekit.errors import ResourceError
from voicekit.ports import Forecast
from voicekit.records import TrainingExample
from voicekit.train.batches import Batch, collate, micro_batches, share
from voicekit.train.group import Group
from voicekit.train.ledger import Ledger
from voicekit.train.loss import losses_of
from voicekit.train.trainable import Trainable

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

Attach = Callable[[Qwen2ForCausalLM, "TrainSpec", int], AbstractContextManager[Trainable]]

# AdamW keeps two moments as large as what is trained, and a float32 step count for each tensor.
MOMENTS, STEP_COUNT_BYTES = 2, 4
# What a CUDA context's libraries take beside tensors, cuBLAS' workspace above all.
CUDA_WORKSPACE_BYTES = 64 * 2**20
# Share of the free memory that may be planned for: other programs live too.
SAFE_SHARE = 0.9
_RATE_SIZE, _RATE_TIMES = 768, 3


@dataclass(frozen=True)
class Work:
    """What each of a run's processes has to do. `largest` are the examples of the largest micro-batch of any, of `micro_tokens`
    ids in all; up to the last learned one `read_tokens` of them are read, and `all_tokens` in all steps by the process that has
    most of each. `several`: a step may have several micro-batches.
    """

    largest: tuple[int, ...]
    micro_tokens: int
    read_tokens: int
    all_tokens: int
    several: bool

    def batch(self, examples: Sequence[TrainingExample], device: torch.device, speech_from: int) -> Batch:
        batch = collate([examples[i] for i in self.largest], device, speech_from)
        assert batch is not None, "the largest micro-batch has something to learn"
        return batch


def work_of(steps: Sequence[Sequence[int]], examples: Sequence[TrainingExample], micro_tokens: int, processes: int = 1) -> Work:
    shares = [[share(step, examples, rank, processes) for rank in range(processes)] for step in steps]
    pieces = [micro_batches(own, examples, micro_tokens) for step in shares for own in step]
    read = [_read_tokens(e) for e in examples]
    sizes = [(sum(read[i] for i in piece), piece) for own in pieces for piece in own]
    most, largest = max(sizes)
    return Work(
        largest=tuple(largest),
        micro_tokens=sum(len(examples[i].ids) for i in largest),
        read_tokens=most,
        all_tokens=sum(max(sum(read[i] for i in own) for own in step) for step in shares),
        several=any(len(own) > 1 for own in pieces),
    )


def part_of(work: Work, piece: Sequence[TrainingExample]) -> Work:
    """The same work with `piece` as its largest micro-batch."""
    return replace(
        work,
        micro_tokens=sum(len(e.ids) for e in piece),
        read_tokens=sum(map(_read_tokens, piece)),
        several=work.several or len(piece) < len(work.largest),
    )


def _read_tokens(example: TrainingExample) -> int:
    """Ids up to the last learned target."""
    learned = np.flatnonzero((example.loss_weight[1:] > 0) | (example.kl_weight[1:] > 0))
    return int(learned[-1]) + 1 if len(learned) else 0


@dataclass(frozen=True)
class Fit:
    """How a run fits this machine: what is expected of it, and in micro-batches of how many ids (0: whole steps)."""

    work: Work
    expected: Forecast
    micro_tokens: int


def fit_in(
    llm: Qwen2ForCausalLM,
    spec: TrainSpec,
    examples: Sequence[TrainingExample],
    steps: Sequence[Sequence[int]],
    attach: Attach,
    speech_from: int = 0,
    device: torch.device | None = None,
) -> Fit:
    """The spec's micro-batches, or smaller ones if it takes these; ResourceError when not even one example at a time fits.

    Every process of the group has a GPU's memory for itself, but only its share of a machine's.
    """
    group, device = Group.current(), device or llm.device
    free = free_bytes(device) / (group.neighbours() if device.type == "cpu" else 1)
    longest = max(len(examples[i].ids) for step in steps for i in step)
    micro_tokens = spec.micro_tokens
    while True:
        work = work_of(steps, examples, micro_tokens, group.size)
        expected = forecast(llm, spec, examples, work, attach, speech_from, device, group.size)
        if expected.added_bytes <= SAFE_SHARE * free:
            return Fit(work, expected, micro_tokens)
        smaller = fitting_tokens(expected, free, longest)
        if not smaller or work.micro_tokens <= longest:
            raise refuse(expected, free, spec, device)
        micro_tokens = min(smaller, work.micro_tokens - 1)


def forecast(
    llm: Qwen2ForCausalLM,
    spec: TrainSpec,
    examples: Sequence[TrainingExample],
    work: Work,
    attach: Attach,
    speech_from: int = 0,
    device: torch.device | None = None,
    processes: int = 1,
) -> Forecast:
    """Memory and time of a run of `work` on `device` (by default the llm's); the llm is neither changed nor run.

    `attach` is what the loop puts on its llm. The optimizer is AdamW. Of `processes` that share the weights (`spec.sharded`)
    each has its part of all that rests, beside nothing that is there already, and in a pass the layers it gathers.
    """
    parts = processes if spec.sharded else 1
    ledger = Ledger()
    device = device or llm.device
    hollow = ledger.hollow(llm, device)
    weights = ledger.now_bytes
    with undisturbed(device), _quiet(), ledger, attach(hollow, spec, speech_from) as trainable:
        trained = sum(p.nbytes for p in trainable.parameters())
        added = 0 if spec.method.kind == "full" else trained
        copies = ledger.now_bytes - weights - added + (trained if spec.ema_decay else 0)
        batch = work.batch(examples, device, speech_from)
        several = work.several or parts > 1
        _with_gradients(trainable, several)
        ledger.flops = ledger.moved_bytes = 0
        before = ledger.peak_bytes = ledger.now_bytes
        one_pass(trainable, batch)
        passing = ledger.peak_bytes - before
        flops, moved = ledger.flops, ledger.moved_bytes
        tensors = len(trainable.parameters())
        gathered = _gathered_bytes(trainable) if parts > 1 else 0
    rates = _rates(device, llm.dtype)
    return Forecast(
        weights_bytes=0 if parts > 1 else weights,
        copies_bytes=(copies + weights) // parts if parts > 1 else copies,
        trained_bytes=added // parts,
        optimizer_bytes=MOMENTS * trained // parts + STEP_COUNT_BYTES * tensors,
        gradient_bytes=trained // parts if several else 0,
        pass_bytes=passing + gathered + (CUDA_WORKSPACE_BYTES if device.type == "cuda" else 0),
        micro_tokens=work.micro_tokens,
        seconds=(flops * rates.s_per_flop + moved * rates.s_per_byte) * work.all_tokens / work.read_tokens,
    )


def _gathered_bytes(trainable: Trainable) -> int:
    """What is whole at once while a sharded model is computed."""
    llm = trainable.llm
    heads = {id(p): p.nbytes for head in (llm.lm_head, trainable.base_head) for p in head.parameters()}
    return sum(heads.values()) + 2 * max(sum(p.nbytes for p in layer.parameters()) for layer in llm.model.layers)


def probed(expected: Forecast, trainable: Trainable, batch: Batch, work: Work) -> Forecast:
    """The forecast with what one real pass over the largest micro-batch took; gradients and random numbers are left alone."""
    device = trainable.llm.device
    with undisturbed(device), _without_gradients(trainable):
        _with_gradients(trainable, expected.gradient_bytes > 0)
        taken = measured(device, lambda: one_pass(trainable, batch))
    return replace(
        expected,
        measured_bytes=taken.num_bytes,
        seconds=taken.seconds * work.all_tokens / work.read_tokens,
    )


def one_pass(trainable: Trainable, batch: Batch) -> None:
    """The losses of a micro-batch and their gradients, as in training."""
    losses_of(trainable, batch).loss.backward()


@dataclass(frozen=True)
class Taken:
    num_bytes: int
    seconds: float


def measured(device: torch.device, run: Callable[[], object]) -> Taken:
    """The peak of what `run` allocates beyond what is there, and how long it takes."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        started = time.perf_counter()
        run()
        torch.cuda.synchronize(device)
        return Taken(torch.cuda.max_memory_allocated(device) - before, time.perf_counter() - started)
    # Its log calls a machine without a GPU an error.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from torch.autograd.profiler import profile

    with profile(use_cpu=True, profile_memory=True) as seen:
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
    changes = [e.nbytes() for e in seen.kineto_results.events() if e.name() == "[memory]"]  # pyright: ignore
    return Taken(int(max(0, np.cumsum([0, *changes]).max())), seconds)


def fitting_tokens(found: Forecast, free_bytes: float, longest: int) -> int:
    """Ids of the largest micro-batch that would fit, by proportion; 0 if not even one example of `longest` would."""
    fixed = found.added_bytes - found.pass_bytes + (0 if found.gradient_bytes else found.trained_bytes)
    room = SAFE_SHARE * free_bytes - fixed
    tokens = int(found.micro_tokens * room / max(1, found.pass_bytes))
    return tokens if tokens >= longest else 0


def refuse(found: Forecast, free_bytes: float, spec: TrainSpec, device: torch.device) -> ResourceError:
    """The error of a run that cannot fit, with what to change."""
    remedies = ["train a LoRA adapter instead of all weights (train.method)"] if spec.method.kind == "full" else []
    if spec.method.kind == "lora" and spec.method.rank > 4:
        remedies.append(f"lower train.method.rank (now {spec.method.rank})")
    if not spec.gradient_checkpointing:
        remedies.append("set train.gradient_checkpointing = true")
    remedies.append("leave out the longest recordings")
    remedies.append("use a device with more memory, or close other programs")
    return ResourceError(
        f"This training needs {_gb(found.added_bytes)} beside the base model, and {device} has {_gb(free_bytes)} free, "
        f"even with one example at a time.",
        f"Any of these helps: {'; '.join(remedies)}.",
    )


def free_bytes(device: torch.device) -> float:
    """What may still be allocated: of the device, or of the machine and the container this runs in."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return float(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    import psutil

    return float(min(psutil.virtual_memory().available, _left_in_container()))


def _left_in_container() -> float:
    try:
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            most, now = limit.read().strip(), int(used.read())
        with open("/sys/fs/cgroup/memory.stat") as file:
            facts = dict(line.split() for line in file)
        return float("inf") if most == "max" else int(most) - now + int(facts.get("inactive_file", 0))
    except (OSError, ValueError):
        return float("inf")


def _gb(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.2f} GB"


def _with_gradients(trainable: Trainable, there: bool) -> None:
    for p in trainable.parameters():
        p.grad = torch.zeros_like(p) if there else None


@contextmanager
def _without_gradients(trainable: Trainable) -> Iterator[None]:
    try:
        yield
    finally:
        _with_gradients(trainable, False)


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """The random numbers afterwards are what they would have been."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Copying a tensor without content looks at its address, which torch warns of; nothing is done with it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor", category=UserWarning)
        yield


@dataclass(frozen=True)
class _Rates:
    s_per_flop: float
    s_per_byte: float


_known_rates: dict[tuple[torch.device, torch.dtype], _Rates] = {}


def _rates(device: torch.device, dtype: torch.dtype) -> _Rates:
    """How fast this device multiplies and moves numbers, measured once, in some hundredths of a second."""
    if (device, dtype) not in _known_rates:
        size = _RATE_SIZE * (8 if device.type == "cuda" else 1)
        with torch.inference_mode():
            square = torch.ones(size, size, dtype=dtype, device=device)
            multiply = _fastest(device, lambda: square @ square)
            move = _fastest(device, lambda: square + square)
        _known_rates[device, dtype] = _Rates(multiply / (2 * size**3), move / (3 * square.nbytes))
    return _known_rates[device, dtype]


def _fastest(device: torch.device, run: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(_RATE_TIMES + 1):
        started = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])
