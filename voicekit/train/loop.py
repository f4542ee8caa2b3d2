"""The training loop: one optimizer step a planned batch; killed anywhere and run again, it goes on as if nothing happened."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from transformers import Qwen2ForCausalLM

from voicekit.errors import TrainingError
from voicekit.ports import Forecast, OnProgress, Progress, TrainOutcome
from voicekit.records import TrainingExample
from voicekit.train import checkpoint
from voicekit.train.batches import collate, plan
from voicekit.train.fast_lora import install, product_type
from voicekit.train.fits import fit_in, forecast, work_of
from voicekit.train.loss import losses_of
from voicekit.train.room import FILE as MEMORY
from voicekit.train.room import Room, is_out_of_memory, out_of_memory, remembered
from voicekit.train.trainable import Trainable, attach

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec


def fit(
    model: nn.Module,
    examples: Sequence[TrainingExample],
    spec: TrainSpec,
    folder: Path,
    report: OnProgress,
    snapshots_at: Sequence[int] = (),
    speech_from: int = 0,
) -> TrainOutcome:
    """Fine-tune `model.llm` on examples and write `folder/adapter`; the model itself is left as it was.

    `speech_from` is the id of speech code 0: the losses in the outcome are of speech tokens, in nats per token. A finished
    folder returns at once, an unfinished one goes on from its checkpoint. Raises TrainingError (diverged), ResourceError
    (memory, disk), UsageError (another run).
    """
    llm = cast(Qwen2ForCausalLM, model.llm)
    _check(examples)
    run = checkpoint.fingerprint(examples, spec.model_dump_json(), str(sorted(set(snapshots_at))), _shape(llm))
    finished = checkpoint.read_outcome(folder, run)
    if finished is not None:
        return finished
    with checkpoint.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    steps = plan(examples, spec.batch_tokens, spec.seed, spec.steps)
    with _own_randomness(spec.seed, llm.device), _memory_errors(spec):
        fitting = fit_in(llm, remembered(folder, spec), examples, steps, _attached, speech_from)
        room = Room(fitting, examples, spec, folder)
        with _attached(llm, spec) as trainable:
            return _Run(trainable, examples, spec, folder, run, report, tuple(snapshots_at), speech_from, room).go(steps)


def foreseen(llm: Qwen2ForCausalLM, examples: Sequence[TrainingExample], spec: TrainSpec, speech_from: int = 0) -> Forecast:
    """What `spec.steps` steps, each over all `examples`, would take on the llm's device."""
    steps = [tuple(range(len(examples)))] * spec.steps
    return forecast(llm, spec, examples, work_of(steps, examples, spec.micro_tokens), _attached, speech_from)


@dataclass
class _Run:
    trainable: Trainable
    examples: Sequence[TrainingExample]
    spec: TrainSpec
    folder: Path
    run: str
    report: OnProgress
    snapshots_at: tuple[int, ...]
    speech_from: int
    room: Room
    losses: list[tuple[int, float]] = field(default_factory=list)

    def go(self, steps: Sequence[Sequence[int]]) -> TrainOutcome:
        spec = self.spec
        optimizer = AdamW(self.trainable.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True)
        self.room.try_out(self.trainable, self.speech_from)
        done, before_s = self._resume(optimizer)
        started = time.monotonic()
        for step in range(done, len(steps)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, len(steps), spec)
            values = self._learn(steps[step], optimizer, step + 1)
            seconds = before_s + time.monotonic() - started
            self._keep(step + 1, len(steps), optimizer, seconds)
            values |= {"step": step + 1, "seconds": seconds}
            self.report(Progress("train", (step + 1) / len(steps), self.room.take_news(), values))
        return self._finish(len(steps), before_s + time.monotonic() - started)

    def _learn(self, indices: Sequence[int], optimizer: Optimizer, step: int) -> dict[str, float]:
        """One optimizer step; the sums of all micro-batches are divided once."""
        attempt = partial(self._gradients, indices, optimizer)
        sums, ce_scale, kl_scale = self.room.learning(indices, attempt, self.trainable.llm.device)
        ce_sum, kl_sum, speech, speech_count = sums.tolist()
        total, divergence = ce_sum * ce_scale + kl_sum * kl_scale, kl_sum * kl_scale
        norm = float(nn.utils.clip_grad_norm_(self.trainable.parameters(), self.spec.max_grad_norm))
        if not math.isfinite(total) or not math.isfinite(norm):
            raise _diverged(step, self.spec)
        optimizer.step()
        values = {"loss": total, "kl": divergence, "grad_norm": norm}
        if speech_count:
            values["speech_loss"] = speech / speech_count
            self.losses.append((step, values["speech_loss"]))
        return values

    def _gradients(
        self, indices: Sequence[int], optimizer: Optimizer, pieces: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, float, float]:
        """The gradients of a step, its sums (see `loss.Terms`), and what they are scaled by."""
        chosen = [self.examples[i] for i in indices]
        ce_scale = 1.0 / max(sum(float(e.loss_weight[1:].sum()) for e in chosen), 1e-9)
        kl_scale = 1.0 / max(sum(int(np.count_nonzero(e.kl_weight[1:])) for e in chosen), 1)
        sums = torch.zeros(4, dtype=torch.float64, device=self.trainable.llm.device)
        optimizer.zero_grad(set_to_none=True)
        for piece in pieces:
            batch = collate([self.examples[i] for i in piece], self.trainable.llm.device, self.speech_from)
            if batch is None:
                continue
            loss, some = losses_of(self.trainable, batch, ce_scale, kl_scale)
            loss.backward()
            sums += some
        return sums, ce_scale, kl_scale

    def _keep(self, step: int, last: int, optimizer: Optimizer, seconds: float) -> None:
        if step in self.snapshots_at:
            self.trainable.save(self._snapshot(step))
        if step % self.spec.checkpoint_every == 0 and step < last:
            device = self.trainable.llm.device
            state = checkpoint.State(
                step=step,
                trainable=self.trainable.state(),
                optimizer=optimizer.state_dict(),
                rng=torch.get_rng_state(),
                device_rng=torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
                losses=self.losses,
                seconds=seconds,
            )
            checkpoint.save(self.folder, self.run, state)

    def _resume(self, optimizer: Optimizer) -> tuple[int, float]:
        state = checkpoint.load(self.folder, self.run)
        if state is None:
            return 0, 0.0
        self.trainable.restore(state.trainable)
        optimizer.load_state_dict(state.optimizer)
        torch.set_rng_state(state.rng)
        if state.device_rng is not None:
            torch.cuda.set_rng_state(state.device_rng, self.trainable.llm.device)
        self.losses = [(step, loss) for step, loss in state.losses]
        return state.step, state.seconds

    def _snapshot(self, step: int) -> Path:
        return self.folder / "snapshots" / f"step-{step:06d}"

    def _finish(self, steps: int, seconds: float) -> TrainOutcome:
        if not all(bool(torch.isfinite(p).all()) for p in self.trainable.parameters()):
            raise _diverged(steps, self.spec)
        self.trainable.save(self.folder / "adapter")
        outcome = TrainOutcome(
            adapter=self.folder / "adapter",
            steps=steps,
            seconds=seconds,
            trainable_parameters=self.trainable.count(),
            losses=tuple(self.losses),
            snapshots=tuple((s, self._snapshot(s)) for s in sorted(set(self.snapshots_at)) if s <= steps),
            notes=self.room.notes(),
        )
        checkpoint.write_outcome(self.folder, self.run, outcome)
        for name in (checkpoint.CHECKPOINT, MEMORY):
            (self.folder / name).unlink(missing_ok=True)
        return outcome


def learning_rate(step: int, steps: int, spec: TrainSpec) -> float:
    """Linear warm-up, then a cosine to zero; `step` counts from 0."""
    if step < spec.warmup_steps:
        return spec.learning_rate * (step + 1) / spec.warmup_steps
    progress = (step - spec.warmup_steps) / max(1, steps - spec.warmup_steps)
    return spec.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))


def _check(examples: Sequence[TrainingExample]) -> None:
    if not any(bool((e.loss_weight > 0).any() or (e.kl_weight > 0).any()) for e in examples):
        raise TrainingError("No token of the examples is to be learned.", "Check the dataset and the strategy.")


def _shape(llm: Qwen2ForCausalLM) -> str:
    """Tells base models apart: the configuration's sizes and a few weights."""
    sizes = [(name, tuple(p.shape)) for name, p in llm.named_parameters()]
    return f"{sizes} {llm.lm_head.weight[:4, :8].tolist()}"


def _diverged(step: int, spec: TrainSpec) -> TrainingError:
    return TrainingError(
        f"Training diverged at step {step}: the loss is not a number any more.",
        f"Lower train.learning_rate in the recipe (now {spec.learning_rate:g}); if it persists, look at the recordings.",
    )


@contextmanager
def _attached(llm: Qwen2ForCausalLM, spec: TrainSpec) -> Iterator[Trainable]:
    """The trainable llm; whatever happens it is given back as it was."""
    was_training = llm.training
    trainable = attach(llm, spec.method)
    install(llm, product_type(spec.precision, llm.device))
    llm.train()
    try:
        yield trainable
    finally:
        trainable.detach()
        llm.train(was_training)


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """The run's random numbers depend on its seed alone, and the caller's are left alone."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _memory_errors(spec: TrainSpec) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(spec) from error
