"""What the training programs share: their options, how the rate goes, and a state that a killed run takes up again."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from recipes.nano.mixed import MasterAdamW
from voicekit.files import beside

T = TypeVar("T")


def options(about: str | None, steps: int) -> argparse.ArgumentParser:
    """A parser with what every training takes; `steps` is the default."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def chosen(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of this process, its threads set."""
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def rate(step: int, steps: int, peak: float, warm_up: int, floor: float) -> float:
    """A cosine over all steps down to `floor` of the peak, its beginning held down by the warm-up."""
    return peak * min(1.0, (step + 1) / warm_up) * max(floor, 0.5 * (1 + np.cos(np.pi * step / steps)))


def alike(pool: Sequence[T], length: Callable[[T], int], most: int, rng: np.random.Generator) -> list[T]:
    """Items of similar length out of a pool: as many as fit into `most`, padded to the longest of them; one at least."""
    ordered = sorted(pool, key=length)
    start = int(rng.integers(len(ordered)))
    batch: list[T] = []
    for item in ordered[start:]:
        if batch and (len(batch) + 1) * length(item) > most:
            break
        batch.append(item)
    return batch


class Run:
    """A training that goes on where its file says. `step` counts what is done, `kept` is what else lay in the file ({} at first).

    The optimizer and the random numbers are put back; `memory` is how much of the losses shown comes from earlier steps.
    """

    def __init__(self, file: Path, steps: int, opt: MasterAdamW, rng: np.random.Generator, memory: float = 0.98) -> None:
        self._file, self._steps, self._opt, self._rng, self._memory = file, steps, opt, rng, memory
        self._means: dict[str, float] = {}
        self._began_s = time.monotonic()
        self.step = 0
        self.kept: dict[str, Any] = torch.load(file, weights_only=False) if file.exists() else {}
        if self.kept:
            opt.load_state_dict(self.kept["opt"])
            self.step, rng.bit_generator.state = self.kept["step"], self.kept["rng"]

    @property
    def over(self) -> bool:
        return self.step >= self._steps

    def done(self, losses: Mapping[str, Tensor]) -> None:
        """A step was made, with these losses."""
        self.step += 1
        for name, loss in losses.items():
            value = loss.item()
            self._means[name] = self._memory * self._means.get(name, value) + (1 - self._memory) * value
        if self.step == 1 and not self.over:
            self.say()

    def due(self, every: int) -> bool:
        """Whether it is time for what is done every so many steps, and at the end."""
        return self.step % every == 0 or self.over

    def say(self, note: str = "") -> None:
        numbers = " ".join(f"{name} {mean:.4f}" for name, mean in self._means.items())
        print(f"step {self.step} {time.monotonic() - self._began_s:.0f} s {numbers}{note}", flush=True)

    def keep(self, **more: Any) -> None:
        """Write the file: what a killed run goes on from."""
        state = {"opt": self._opt.state_dict(), "step": self.step, "rng": self._rng.bit_generator.state, **more}
        with beside(self._file) as tmp:
            torch.save(state, tmp)
