"""Training that a killed run takes up again: the same weights as without the interruption, bit for bit on a CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from voicekit.errors import TrainingError
from voicekit.files import beside
from voicekit.ports import OnProgress, Progress
from voicekit.train.precision import half

WEIGHT_DECAY = 0.01
MAX_NORM = 1.0


@dataclass(frozen=True)
class Course:
    """How a module learns. `name` is the step that progress is reported of."""

    name: str
    steps: int
    peak_rate: float
    seed: int
    checkpoint_every: int = 25

    def rate(self, step: int) -> float:
        """Warm-up over a twentieth of the steps (at most 200), then a cosine down to a fiftieth."""
        warm = max(1, min(200, self.steps // 20))
        if step < warm:
            return self.peak_rate * (step + 1) / warm
        return self.peak_rate * max(0.02, 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))))


def learn(module: nn.Module, loss_of: Callable[[int], Tensor], course: Course, file: Path, report: OnProgress) -> float:
    """Train `module` by AdamW; the smoothed loss at the end. `file` keeps the state.

    `loss_of(step)` must depend on the step and the weights alone; torch's random numbers belong to the step too.
    """
    weights = [p for p in module.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(weights, course.peak_rate, weight_decay=WEIGHT_DECAY)
    step, smooth = 0, 0.0
    if file.is_file():
        state = torch.load(file, weights_only=True)
        module.load_state_dict(state["module"])
        adamw.load_state_dict(state["adamw"])
        step, smooth = state["step"], state["loss"]
    module.train()
    began_s, began_step = time.monotonic(), step
    while step < course.steps:
        for group in adamw.param_groups:
            group["lr"] = course.rate(step)
        torch.manual_seed(course.seed * 1_000_003 + step)
        with half(weights[0].device):
            loss = loss_of(step)
        adamw.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, MAX_NORM)
        adamw.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"Training diverged at step {step + 1}.", "Report it; --seed with another number may help.")
        step, smooth = step + 1, 0.98 * smooth + 0.02 * value if smooth else value
        if step % course.checkpoint_every == 0 or step == course.steps:
            _save(file, {"module": module.state_dict(), "adamw": adamw.state_dict(), "step": step, "loss": smooth})
        if step % 10 == 0 or step == course.steps:
            pace_s = (time.monotonic() - began_s) / (step - began_step)
            told = f"step {step} of {course.steps}, loss {smooth:.3f}, {pace_s:.2f} s a step"
            report(Progress(course.name, step / course.steps, told, {"step": step, "loss": smooth}))
    module.eval()
    return smooth


def _save(file: Path, state: dict[str, object]) -> None:
    with beside(file) as tmp:
        torch.save(state, tmp)
