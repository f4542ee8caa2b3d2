"""Weights <-> safetensors files, single or sharded. Loading is strict: every difference is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from pickle import UnpicklingError
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from voicekit.covo.config import REMEDY, read_json
from voicekit.errors import BaseModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
NAMED_AT_MOST = 5
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A tensor as a file's header describes it: where its bytes lie."""

    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int
    stop: int

    @property
    def numel(self) -> int:
        return prod(self.shape)


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


def stored(folder: Path) -> dict[str, Stored]:
    """What a checkpoint folder holds, from its files' headers alone."""
    return {name: tensor for file in weight_files(folder) for name, tensor in stored_in(file).items()}


def stored_in(file: Path) -> dict[str, Stored]:
    """What one safetensors file holds, in the order of its bytes."""
    if not file.is_file():
        raise BaseModelError(f"There is no {file.name} in {file.parent}.", REMEDY)
    try:
        with safe_open(file, framework="pt"):  # checks that the file is whole and its header true
            pass
        with file.open("rb") as source:
            size = int.from_bytes(source.read(8), "little")
            header = json.loads(source.read(size))
        header.pop("__metadata__", None)
        found = {
            name: Stored(file, tuple(t["shape"]), DTYPES[t["dtype"]], *(8 + size + offset for offset in t["data_offsets"]))
            for name, t in header.items()
        }
    except (SafetensorError, OSError, KeyError) as error:
        raise BaseModelError(f"{file} cannot be read: {error}.", REMEDY) from None
    return dict(sorted(found.items(), key=lambda item: item[1].start))


def read_weights(folder: Path, dtype: torch.dtype | None = None, device: str = "cpu") -> dict[str, Tensor]:
    """All tensors of a checkpoint folder; floating ones are cast to `dtype`."""
    return {name: tensor for file in weight_files(folder) for name, tensor in read_file(file, dtype, device)}


def read_file(file: Path, dtype: torch.dtype | None = None, device: str = "cpu") -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of one safetensors file, read one at a time into memory of their own.

    Not mapped: pages of a mapped file stay in memory beside what was cast or moved from them until the file is closed, and
    weights that go on living in a mapped file change or crash with it.
    """
    entries = stored_in(file)
    with file.open("rb", buffering=0) as source:
        for name, entry in entries.items():
            raw = torch.empty(entry.stop - entry.start, dtype=torch.uint8)
            source.seek(entry.start)
            _fill(source, raw.numpy().data, file)
            tensor = raw.view(entry.dtype).reshape(entry.shape)
            yield name, tensor.to(device, dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype)


def _fill(source: FileIO, room: memoryview, file: Path) -> None:
    """A system reads at most 2 GB at once."""
    while len(room):
        count = source.readinto(room)
        if not count:
            raise BaseModelError(f"{file} ends too early.", REMEDY)
        room = room[count:]


def read_pickle(file: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors of a model.pt (under `model` or not, names freed of `module.`), and the names of what else it holds.

    Opened as weights only: nothing in the file is run, and a file that would have to run something is refused.
    """
    if not file.is_file():
        raise BaseModelError(f"There is no {file.name} in {file.parent}.", f"Put the released {file.name} there.")
    try:
        data = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        # torch's own words advise to run what is in the file.
        problem = f"{file} is damaged or holds more than weights, and was not opened ({type(error).__name__})."
        raise BaseModelError(problem, "Use the released file.") from None
    weights = data.get("model", data) if isinstance(data, dict) else None
    if not isinstance(weights, dict):
        raise BaseModelError(f"{file} does not hold a dictionary of weights.", "Use the released file.")
    named = {str(name).removeprefix("module."): value for name, value in weights.items()}
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    around = [] if weights is data else [str(key) for key in data if key != "model"]
    return tensors, tuple(sorted([*around, *(set(named) - set(tensors))]))


def load_folder(module: nn.Module, folder: Path, dtype: torch.dtype | None = None, device: str = "cpu") -> None:
    """Give the module (on the meta device) exactly a folder's weights; host memory holds them once, and one tensor more.

    Differences are found in the files' headers, before anything is read.
    """
    check_fit({name: entry.shape for name, entry in stored(folder).items()}, module, folder)
    module.load_state_dict(read_weights(folder, dtype, device), strict=True, assign=True)


def load_strict(module: nn.Module, weights: Mapping[str, Tensor], where: Path) -> None:
    """Give the module exactly these weights (by reference); BaseModelError names missing, extra and misshapen ones."""
    check_fit({name: tuple(tensor.shape) for name, tensor in weights.items()}, module, where)
    module.load_state_dict(dict(weights), strict=True, assign=True)


def check_fit(found: Mapping[str, tuple[int, ...]], module: nn.Module, where: Path) -> None:
    """BaseModelError unless these names and shapes are exactly the module's."""
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    misshapen = [
        f"{name} {list(found[name])} instead of {list(shape)}"
        for name, shape in sorted(expected.items())
        if name in found and found[name] != shape
    ]
    lists = [("missing", sorted(set(expected) - set(found))), ("not known", sorted(set(found) - set(expected)))]
    faults = [f"{len(names)} {what}: {_some(names)}" for what, names in [*lists, ("of another shape", misshapen)] if names]
    if faults:
        raise BaseModelError(f"The weights in {where} do not fit their configuration ({'; '.join(faults)}).", REMEDY)


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
