"""What a fine-tuning is expected to take, and what it gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Forecast:
    """What a training run will take.

    Bytes of the base's `weights` (they are there already), of frozen or converted `copies` of them, of what is `trained` beside
    them, of the `optimizer`'s moments, of `gradient`s kept from one micro-batch to the next, and of one `pass` over the
    largest micro-batch (`micro_tokens` ids): activations, logits, gradients.

    `measured_bytes` is what that pass took when it was tried (0: not tried), `seconds` the time of all steps.
    """

    weights_bytes: int
    copies_bytes: int
    trained_bytes: int
    optimizer_bytes: int
    gradient_bytes: int
    pass_bytes: int
    micro_tokens: int
    seconds: float
    measured_bytes: int = 0

    @property
    def added_bytes(self) -> int:
        """The peak beside the base's weights; a measured pass counts as measured."""
        resting = self.copies_bytes + self.trained_bytes + self.optimizer_bytes + self.gradient_bytes
        return resting + (self.measured_bytes or self.pass_bytes)

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.added_bytes


@dataclass(frozen=True)
class TrainOutcome:
    """The adapter's folder and what the run measured; `losses` is (step, speech loss in nats per token) in order.

    `snapshots` are (step, adapter folder) kept on the way for the steps asked for.
    """

    adapter: Path
    steps: int
    seconds: float
    trainable_parameters: int
    losses: tuple[tuple[int, float], ...]
    snapshots: tuple[tuple[int, Path], ...] = ()
    notes: dict[str, float] = field(default_factory=dict[str, float], hash=False)


SO_FAR = "so-far"


def so_far(folder: Path, step: int) -> Path:
    """Where an unfinished fine-tuning in `folder` keeps the adapter that is to be listened to after `step` steps."""
    return folder / SO_FAR / f"step-{step:06d}"
