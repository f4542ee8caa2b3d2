"""Weights <-> safetensors files, single or sharded. Loading is strict: every difference is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from voicekit.covo.config import REMEDY, read_json
from voicekit.errors import BaseModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
NAMED_AT_MOST = 5


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint folder, sharded or not."""
    if (folder / INDEX).is_file():
        shards = read_json(folder / INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise BaseModelError(f'"weight_map" in {folder / INDEX} is empty.', REMEDY)
        names = sorted(set(cast("dict[str, str]", shards).values()))
        if any(Path(name).name != name for name in names):
            raise BaseModelError(f'"weight_map" in {folder / INDEX} names files outside its folder.', REMEDY)
        return [folder / name for name in names]
    return [folder / SINGLE]


def read_weights(folder: Path, dtype: torch.dtype | None = None, device: str = "cpu") -> dict[str, Tensor]:
    """All tensors of a checkpoint folder; floating ones are cast to `dtype`."""
    return {name: tensor for file in weight_files(folder) for name, tensor in read_file(file, dtype, device)}


def read_file(file: Path, dtype: torch.dtype | None = None, device: str = "cpu") -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of one safetensors file."""
    if not file.is_file():
        raise BaseModelError(f"There is no {file.name} in {file.parent}.", REMEDY)
    try:
        tensors = load_file(file, device=device)
    except (SafetensorError, OSError) as error:
        raise BaseModelError(f"{file} cannot be read: {error}.", REMEDY) from None
    for name, tensor in tensors.items():
        yield name, tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


def load_strict(module: nn.Module, weights: dict[str, Tensor], where: Path) -> None:
    """Give the module exactly these weights (by reference); BaseModelError names missing, extra and misshapen ones."""
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    missing = sorted(set(expected) - set(weights))
    extra = sorted(set(weights) - set(expected))
    misshapen = [
        f"{name} {list(weights[name].shape)} instead of {list(shape)}"
        for name, shape in sorted(expected.items())
        if name in weights and weights[name].shape != shape
    ]
    found = [("missing", missing), ("not known", extra), ("of another shape", misshapen)]
    faults = [f"{len(names)} {what}: {_some(names)}" for what, names in found if names]
    if faults:
        raise BaseModelError(f"The weights in {where} do not fit config.json ({'; '.join(faults)}).", REMEDY)
    module.load_state_dict(weights, strict=True, assign=True)


def save_weights(weights: dict[str, Tensor], folder: Path, max_bytes: int = 4 * 1024**3) -> None:
    """Write a checkpoint folder: one file, or shards with an index when it is larger than `max_bytes`."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = _shards(weights, max_bytes)
    if len(shards) == 1:
        _write(shards[0], folder / SINGLE)
        (folder / INDEX).unlink(missing_ok=True)
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write(shard, folder / name)
        weight_map |= dict.fromkeys(shard, name)
    beside = folder / f".{INDEX}.tmp"
    beside.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1), encoding="utf-8")
    os.replace(beside, folder / INDEX)
    (folder / SINGLE).unlink(missing_ok=True)


def _shards(weights: dict[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    held = 0
    for name, tensor in weights.items():
        size = tensor.numel() * tensor.element_size()
        if shards[-1] and held + size > max_bytes:
            shards.append({})
            held = 0
        shards[-1][name] = tensor
        held += size
    return shards


def _write(weights: dict[str, Tensor], file: Path) -> None:
    beside = file.with_name(f".{file.name}.tmp")
    save_file({name: tensor.detach().contiguous().cpu().clone() for name, tensor in weights.items()}, beside)
    os.replace(beside, file)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    return shown if len(names) <= NAMED_AT_MOST else f"{shown}, ..."
