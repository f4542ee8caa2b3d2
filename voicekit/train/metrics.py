"""A run's numbers for people who look at them elsewhere: TensorBoard files beside the run, Weights & Biases if it is set up.

Nothing is sent anywhere unless WANDB_PROJECT and WANDB_API_KEY are set and the package wandb is installed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicekit.ports import OnProgress, Progress

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

EVENTS = "tensorboard"
_LOG = logging.getLogger(__name__)


@dataclass
class Sink:
    """One place that numbers go to: `write(step, numbers)`, then `close()`."""

    name: str
    write: Callable[[int, Mapping[str, float]], object]
    close: Callable[[], object]


@contextmanager
def watched(report: OnProgress, folder: Path, run: str, spec: TrainSpec) -> Iterator[OnProgress]:
    """`report` with the numbers of every training step going to the sinks too. A sink that fails is left out: it is no reason
    to lose a run."""
    sinks = _tried(lambda: _tensorboard(folder), "TensorBoard") + _tried(lambda: _wandb(folder, run, spec), "W&B")

    def tell(progress: Progress) -> None:
        if "step" in progress.values:
            numbers = {name: value for name, value in progress.values.items() if name != "step"}
            for sink in list(sinks):
                if not _tried(lambda s=sink: [s.write(int(progress.values["step"]), numbers)], sink.name):
                    sinks.remove(sink)
        report(progress)

    try:
        yield tell
    finally:
        for sink in sinks:
            _tried(lambda s=sink: [s.close()], sink.name)


def _tried(attempt: Callable[[], list[Any]], name: str) -> list[Any]:
    try:
        return attempt()
    except Exception as error:  # of whatever kind these libraries raise
        _LOG.warning("%s cannot be written any more: %s", name, error)
        return []


def _tensorboard(folder: Path) -> list[Sink]:
    if find_spec("tensorboard") is None:
        return []
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / EVENTS))

    def write(step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(f"train/{name}", value, step)
        writer.flush()

    return [Sink("TensorBoard", write, writer.close)]


def _wandb(folder: Path, run: str, spec: TrainSpec) -> list[Sink]:
    project = os.environ.get("WANDB_PROJECT")
    if not project or not os.environ.get("WANDB_API_KEY") or find_spec("wandb") is None:
        return []
    import wandb  # pyright: ignore[reportMissingImports]

    config = spec.model_dump(mode="json")
    # The same id again: a run that goes on is one curve.
    begun: Any = wandb.init(project=project, id=run[:16], resume="allow", dir=str(folder), config=config)
    return [Sink("W&B", lambda step, numbers: begun.log(dict(numbers), step=step), begun.finish)]
