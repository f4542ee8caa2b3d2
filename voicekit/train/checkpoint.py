"""The state of a run on disk: one checkpoint file, replaced as a whole, and the outcome, written last."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from voicekit import files
from voicekit.errors import TrainingError, UsageError
from voicekit.ports import TrainOutcome
from voicekit.records import TrainingExample

CHECKPOINT = "checkpoint.pt"
OUTCOME = "outcome.json"

# What torch and safetensors say when the system could not write.
SIGNS_OF_A_FULL_DISK = ("inline_container", "PytorchStreamWriter", "iostream error", "(os error 28)", "(os error 27)")


@dataclass
class State:
    """Everything that decides how a run goes on after `step` steps. `rng` and `device_rng` have a row for each process,
    `average` is of the weights (empty without), `looks` are (step, speech loss, text drift)."""

    step: int
    trainable: dict[str, Tensor]
    optimizer: dict[str, Any]
    rng: Tensor
    device_rng: Tensor | None
    losses: list[tuple[int, float]]
    seconds: float
    average: list[Tensor]
    looks: list[tuple[int, float, float]]


def fingerprint(examples: Sequence[TrainingExample], *facts: str) -> str:
    """sha256 over what a run is made of: a folder goes on only with the same run."""
    digest = hashlib.sha256(json.dumps(facts).encode())
    for example in examples:
        digest.update(json.dumps([example.kind, example.epoch, len(example.ids)]).encode())
        for array in (example.ids, example.loss_weight, example.kl_weight, example.seen_by_base):
            digest.update(array.tobytes())
    return digest.hexdigest()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into our errors, also as torch and safetensors report them."""
    with files.writing(path):
        try:
            yield
        except (RuntimeError, SafetensorError) as error:
            if not any(sign in str(error) for sign in SIGNS_OF_A_FULL_DISK):
                raise
            raise OSError(errno.ENOSPC, "No space left on device", str(path)) from error


@contextmanager
def folder_beside(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, whose place it takes when the block ends well."""
    beside = folder.with_name(folder.name + ".tmp")
    with storage_errors(folder):
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)


def save(folder: Path, run: str, state: State) -> None:
    path = folder / CHECKPOINT
    with storage_errors(path), files.beside(path) as tmp:
        torch.save({"run": run, **vars(state)}, tmp)


def load(folder: Path, run: str) -> State | None:
    """The checkpoint of this very run, None if there is none; raises UsageError for another run's folder."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        # Mapped: processes of one machine that read only their part of it share the pages.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        owner = content.pop("run")
        state = State(**content)
    except Exception as error:
        raise TrainingError(f"The checkpoint {path} cannot be read: {error}", f"Delete {folder} to train anew.") from None
    _same_run(folder, run, owner)
    return state


def write_outcome(folder: Path, run: str, outcome: TrainOutcome) -> None:
    content = {
        "run": run,
        "adapter": outcome.adapter.name,
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "trainable_parameters": outcome.trainable_parameters,
        "losses": outcome.losses,
        "snapshots": [(step, str(path.relative_to(folder))) for step, path in outcome.snapshots],
        "notes": outcome.notes,
    }
    files.write_text(folder / OUTCOME, json.dumps(content) + "\n")


def read_outcome(folder: Path, run: str) -> TrainOutcome | None:
    """The outcome of this very run if it has finished and its files are there."""
    path = folder / OUTCOME
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    _same_run(folder, run, content["run"])
    snapshots = tuple((step, folder / name) for step, name in content["snapshots"])
    if not all(p.is_dir() for p in [folder / content["adapter"], *(p for _, p in snapshots)]):
        return None
    return TrainOutcome(
        adapter=folder / content["adapter"],
        steps=content["steps"],
        seconds=content["seconds"],
        trainable_parameters=content["trainable_parameters"],
        losses=tuple((step, loss) for step, loss in content["losses"]),
        snapshots=snapshots,
        notes=content["notes"],
    )


def _same_run(folder: Path, run: str, owner: str) -> None:
    if owner != run:
        raise UsageError(
            f"{folder} holds another training run (other recordings, recipe or base).",
            "Use another folder, or delete this one.",
        )
