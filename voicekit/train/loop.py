"""The training loop: one optimizer step a planned batch; killed anywhere and run again, it goes on as if nothing happened."""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import Qwen2ForCausalLM

from voicekit.errors import TrainingError
from voicekit.ports import SO_FAR, Forecast, OnProgress, Progress, TrainOutcome, so_far
from voicekit.records import TrainingExample
from voicekit.train import checkpoint, fast_lora, lean, processes
from voicekit.train.averaging import Average
from voicekit.train.batches import plan, share
from voicekit.train.fits import fit_in, forecast, undisturbed, work_of
from voicekit.train.group import Group
from voicekit.train.loss import losses_of
from voicekit.train.metrics import watched
from voicekit.train.precision import product_type
from voicekit.train.room import FILE as MEMORY
from voicekit.train.room import Room, is_out_of_memory, out_of_memory, remembered
from voicekit.train.sharding import gathered, local, part_like, whole
from voicekit.train.stopping import HELD_OUT, Look, best, is_over
from voicekit.train.trainable import Trainable, attach

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

# How a run is carried out, not what it learns: it can go on with others of these.
MEANS = {"micro_tokens", "gradient_checkpointing", "processes", "sharded", "sample_every"}


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

    Examples whose kind begins with "held-out" are not learned: every `spec.evaluate_every` steps they are looked at, and the
    adapter is then the best state, not the last. `speech_from` is the id of speech code 0: the losses in the outcome are of
    speech tokens, in nats per token. A finished folder returns at once, an unfinished one goes on from its checkpoint. In a
    group of processes (torch.distributed) each calls this with the same arguments; the first one writes and reports, and if
    they share the weights (`spec.sharded`) each one's model is used up.
    Raises TrainingError (diverged), ResourceError (memory, disk), UsageError (another run).
    """
    llm = cast(Qwen2ForCausalLM, model.llm)
    learned = [e for e in examples if not e.kind.startswith(HELD_OUT)]
    held_out = [e for e in examples if e.kind.startswith(HELD_OUT)]
    _check(learned)
    facts = (spec.model_dump_json(exclude=MEANS), str(sorted(set(snapshots_at))), _shape(llm), "packed")
    run = checkpoint.fingerprint(examples, *facts)
    finished = checkpoint.read_outcome(folder, run)
    if finished is not None:
        return finished
    with checkpoint.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    group = Group.current()
    if group.size == 1 and processes.are_wanted(spec):
        given = {"examples": list(examples), "snapshots_at": tuple(snapshots_at), "speech_from": speech_from}
        processes.run(llm, folder, spec, report, on_gpu=llm.device.type == "cuda", **given)
        finished = checkpoint.read_outcome(folder, run)
        assert finished is not None, "the first process wrote it before it ended"
        return finished
    steps = plan(learned, spec.batch_tokens, spec.seed, spec.steps)
    # Others hear of it from the first process alone.
    watching = watched(report, folder, run, spec) if group.first else nullcontext(report)
    device = group.device(llm.device)
    with watching as report, _own_randomness(spec.seed, device), _memory_errors(spec):
        fitting = fit_in(llm, remembered(folder, spec), learned, steps, _attached, speech_from, device)
        with _attached(llm, spec, speech_from, spec.sharded and group.size > 1) as trainable:
            holds = any(bool(e.kl_weight.any()) for e in examples)
            room = Room(fitting, learned, spec, folder, trainable.sharded, holds)
            doing = _Run(trainable, learned, held_out, spec, folder, run, report, tuple(snapshots_at), speech_from, room)
            return doing.go(steps)


def foreseen(llm: Qwen2ForCausalLM, examples: Sequence[TrainingExample], spec: TrainSpec, speech_from: int = 0) -> Forecast:
    """What `spec.steps` steps, each over all `examples`, would take on the llm's device."""
    steps = [tuple(range(len(examples)))] * spec.steps
    work = work_of(steps, examples, spec.micro_tokens, spec.processes)
    return forecast(llm, spec, examples, work, _attached, speech_from, processes=spec.processes)


@dataclass
class _Run:
    trainable: Trainable
    examples: Sequence[TrainingExample]
    held_out: Sequence[TrainingExample]
    spec: TrainSpec
    folder: Path
    run: str
    report: OnProgress
    snapshots_at: tuple[int, ...]
    speech_from: int
    room: Room
    losses: list[tuple[int, float]] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    step_s: float = 0.0

    def __post_init__(self) -> None:
        self.group = Group.current()
        self.parameters = self.trainable.parameters()
        self.average = Average(self.parameters, self.spec.ema_decay)
        self.optimizer = AdamW(self.parameters, lr=self.spec.learning_rate, weight_decay=self.spec.weight_decay, fused=True)

    def go(self, steps: Sequence[Sequence[int]]) -> TrainOutcome:
        spec = self.spec
        self.room.try_out(self.trainable, self.speech_from)
        done, before_s = self._resume()
        started = time.monotonic()
        while done < len(steps) and not is_over(self.looks, spec.patience, spec.max_text_drift):
            began = time.monotonic()
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(done, len(steps), spec)
            values = self._learn(steps[done], done + 1)
            values |= self._pace(steps, done, time.monotonic() - began)
            done += 1
            self.average.update(done)
            values |= self._look(done, len(steps))
            seconds = before_s + time.monotonic() - started
            self._keep(done, len(steps), seconds)
            if self.group.first:
                values |= {"step": done, "seconds": seconds}
                # Who listens may let the model speak: that must not change what is learned.
                with undisturbed(self.trainable.llm.device):
                    self.report(Progress("train", done / len(steps), self.room.take_news(), values))
        return self._finish(done, before_s + time.monotonic() - started)

    def _pace(self, steps: Sequence[Sequence[int]], done: int, step_s: float) -> dict[str, float]:
        tokens = sum(len(self.examples[i].ids) for i in steps[done])
        self.step_s = step_s if done == 0 or not self.step_s else 0.9 * self.step_s + 0.1 * step_s
        return {
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "tokens_per_s": tokens / max(step_s, 1e-9),
            "seconds_left": self.step_s * (len(steps) - done - 1),
        }

    def _learn(self, indices: Sequence[int], step: int) -> dict[str, float]:
        """One optimizer step; the sums of all micro-batches and processes are divided once."""
        chosen = [self.examples[i] for i in indices]
        ce_scale = 1.0 / max(sum(float(e.loss_weight[1:].sum()) for e in chosen), 1e-9)
        kl_scale = 1.0 / max(sum(int(np.count_nonzero(e.kl_weight[1:])) for e in chosen), 1)
        own = [self.examples[i] for i in share(indices, self.examples, self.group.rank, self.group.size)]
        sums = self._sums(own, ce_scale, kl_scale)
        if not self.trainable.sharded:
            self.group.add_up_gradients(self.parameters)
        ce_sum, kl_sum, speech, speech_count = self.group.add_up(sums).tolist()
        total, divergence = ce_sum * ce_scale + kl_sum * kl_scale, kl_sum * kl_scale
        norm = float(whole(nn.utils.clip_grad_norm_(self.parameters, self.spec.max_grad_norm)))
        if not math.isfinite(total) or not math.isfinite(norm):
            raise _diverged(step, self.spec)
        self.optimizer.step()
        values = {"loss": total, "kl": divergence, "grad_norm": norm}
        if speech_count:
            values["speech_loss"] = speech / speech_count
            self.losses.append((step, values["speech_loss"]))
        return values

    def _sums(self, examples: Sequence[TrainingExample], ce_scale: float, kl_scale: float) -> Tensor:
        """The sums [4] of `losses_of` over all pieces; gradients are left on the weights where they are wanted."""
        device = self.trainable.llm.device

        def attempt(pieces: Sequence[Sequence[TrainingExample]]) -> Tensor:
            self.optimizer.zero_grad(set_to_none=True)
            sums = torch.zeros(4, dtype=torch.float64, device=device)
            for piece in pieces:
                batch = self.room.batch(piece, device, self.speech_from)
                if batch is None:
                    continue
                loss, some = losses_of(self.trainable, batch, ce_scale, kl_scale)
                if torch.is_grad_enabled():
                    loss.backward()
                sums += some
            return sums

        return self.room.learning(examples, attempt, device)

    def _look(self, step: int, last: int) -> dict[str, float]:
        """If it is time to: the held-out examples under the (averaged) weights, which are kept if they are the best so far."""
        every = self.spec.evaluate_every
        if not every or not self.held_out or (step % every and step != last):
            return {}
        llm = self.trainable.llm
        own = share(range(len(self.held_out)), self.held_out, self.group.rank, self.group.size)
        with self.average.in_place(), torch.no_grad():
            llm.eval()
            sums = self.group.add_up(self._sums([self.held_out[i] for i in own], 1.0, 1.0))
            llm.train()
            _, kl_sum, speech, speech_count = sums.tolist()
            positions = sum(int(np.count_nonzero(e.kl_weight[1:])) for e in self.held_out)
            look = Look(step, speech / max(speech_count, 1), kl_sum / max(positions, 1))
            self.looks.append(look)
            if best(self.looks, self.spec.max_text_drift) is look:
                self.trainable.save(self.folder / "best")
        return {"held_out_loss": look.speech_loss, "text_drift": look.text_drift}

    def _keep(self, step: int, last: int, seconds: float) -> None:
        if step in self.snapshots_at:
            self._save(self._snapshot(step))
        if self.spec.sample_every and step % self.spec.sample_every == 0 and step < last:
            if self.group.first:
                shutil.rmtree(self.folder / SO_FAR, ignore_errors=True)
            self._save(so_far(self.folder, step))
        if step % self.spec.checkpoint_every or step >= last:
            return
        device = self.trainable.llm.device
        state = checkpoint.State(
            step=step,
            trainable=self.trainable.state(),
            optimizer=gathered(self.optimizer.state_dict()),
            rng=self.group.of_all(torch.get_rng_state()),
            device_rng=self.group.of_all(torch.cuda.get_rng_state(device)) if device.type == "cuda" else None,
            losses=self.losses,
            seconds=seconds,
            average=gathered(self.average.values),
            looks=[(look.step, look.speech_loss, look.text_drift) for look in self.looks],
        )
        if self.group.first:
            checkpoint.save(self.folder, self.run, state)

    def _resume(self) -> tuple[int, float]:
        state = checkpoint.load(self.folder, self.run)
        if state is None:
            return 0, 0.0
        self.trainable.restore(state.trainable)
        self.optimizer.load_state_dict(self._own_moments(state.optimizer))
        self.average.restore(state.average)
        # Clones: torch reads these from the beginning of their storage, whatever row was meant.
        torch.set_rng_state(state.rng[self.group.rank % len(state.rng)].clone())
        if state.device_rng is not None:
            own = state.device_rng[self.group.rank % len(state.device_rng)].clone()
            torch.cuda.set_rng_state(own, self.trainable.llm.device)
        self.losses = [(step, loss) for step, loss in state.losses]
        self.looks = [Look(*look) for look in state.looks]
        return state.step, state.seconds

    def _own_moments(self, optimizer: dict[str, Any]) -> dict[str, Any]:
        """The optimizer's state as the weights are dealt out."""
        moments = {
            place: {name: value if name == "step" else part_like(value, self.parameters[place]) for name, value in of.items()}
            for place, of in optimizer["state"].items()
        }
        return {**optimizer, "state": moments}

    def _save(self, folder: Path) -> None:
        with self.average.in_place():
            self.trainable.save(folder)

    def _snapshot(self, step: int) -> Path:
        return self.folder / "snapshots" / f"step-{step:06d}"

    def _finish(self, steps: int, seconds: float) -> TrainOutcome:
        wrong = sum(int((~local(p).isfinite()).sum()) for p in self.parameters)
        if float(self.group.add_up(torch.tensor(float(wrong), device=self.trainable.llm.device))):
            raise _diverged(steps, self.spec)
        notes = self.room.notes()
        if self.looks:
            chosen = best(self.looks, self.spec.max_text_drift)
            notes |= {"best_step": chosen.step, "held_out_loss": chosen.speech_loss, "text_drift": chosen.text_drift}
        outcome = TrainOutcome(
            adapter=self.folder / "adapter",
            steps=steps,
            seconds=seconds,
            trainable_parameters=self.trainable.count(),
            losses=tuple(self.losses),
            snapshots=tuple((s, self._snapshot(s)) for s in sorted(set(self.snapshots_at)) if s <= steps),
            notes=notes,
        )
        self._deliver(outcome)
        self.group.wait()
        return outcome

    def _deliver(self, outcome: TrainOutcome) -> None:
        """The adapter, then the outcome; what was needed on the way is removed last."""
        if not self.looks:
            self._save(outcome.adapter)
        if not self.group.first:
            return
        if self.looks:
            with checkpoint.folder_beside(outcome.adapter) as beside:
                shutil.copytree(self.folder / "best", beside, dirs_exist_ok=True)
        checkpoint.write_outcome(self.folder, self.run, outcome)
        for name in (checkpoint.CHECKPOINT, MEMORY):
            (self.folder / name).unlink(missing_ok=True)
        for name in ("best", SO_FAR):
            shutil.rmtree(self.folder / name, ignore_errors=True)


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
def _attached(llm: Qwen2ForCausalLM, spec: TrainSpec, speech_from: int, sharded: bool = False) -> Iterator[Trainable]:
    """The trainable llm; whatever happens it is given back as it was (but for being dealt out, if it was)."""
    was_training = llm.training
    trainable = attach(llm, spec.method, speech_from, sharded)
    fast_lora.install(llm, product_type(spec.precision, llm.device))
    lean.install(llm)
    llm.train()
    _recompute(llm, spec.gradient_checkpointing)
    if rank := Group.current().rank:
        torch.manual_seed(spec.seed + 7919 * rank)  # weights began alike; dropout differs
    try:
        yield trainable
    finally:
        _recompute(llm, False)
        lean.remove(llm)
        trainable.detach()
        llm.train(was_training)


def _recompute(llm: Qwen2ForCausalLM, wanted: bool) -> None:
    """Gradient checkpointing on or off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # later versions of transformers call it activation checkpointing
        if wanted:
            llm.gradient_checkpointing_enable({"use_reentrant": False})
        elif llm.is_gradient_checkpointing:
            llm.gradient_checkpointing_disable()


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
