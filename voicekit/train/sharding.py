"""Weights in parts: each process keeps its part of everything and sees a layer whole only while it is computed (FSDP2).

A sharded parameter is a DTensor: its rows are dealt out over the processes. Whoever gathers one must do so in all processes
at once, in the same order; `filled` sees to it that their passes are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor
from torch.nn import Parameter
from torch.utils._pytree import tree_map_only
from transformers import Qwen2ForCausalLM

from voicekit.train.batches import Batch
from voicekit.train.group import Group
from voicekit.train.packing import pack


def shard(llm: Qwen2ForCausalLM) -> None:
    """Deal out `llm` in place, layer by layer, onto the devices of the group; there is no way back.

    Layers gather themselves when they are called, and add up gradients; the output layer is left to `gathered_layer`.
    """
    group = Group.current()
    mesh = init_device_mesh(group.device(llm.device).type, (group.size,))
    for module in (*llm.model.layers, llm.model.embed_tokens, llm.model):
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
        dealt = cast(FSDPModule, module)
        # Losses are divided before: gradients are summed, not averaged.
        dealt.set_gradient_divide_factor(1.0)
        dealt.set_force_sum_reduction_for_comms(True)
    device = group.device(llm.device)
    for layer in llm.lm_head.modules():
        for name, p in layer.named_parameters(recurse=False):
            part = distribute_tensor(p.detach().to(device), mesh, [Shard(0)], src_data_rank=None)
            layer.register_parameter(name, Parameter(part, requires_grad=p.requires_grad))


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor, in the same memory; all of it if it is not sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(content: Any) -> Any:
    """Dicts and lists with every sharded tensor in them whole, on the CPU, in the first process; others get empty ones."""
    first = Group.current().first

    def to_first(tensor: DTensor) -> Tensor:
        found = tensor.full_tensor().detach()
        return found.cpu() if first else found.new_empty(0)

    return tree_map_only(DTensor, to_first, content)


def part_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor dealt out as `like` is."""
    if not isinstance(like, DTensor):
        return tensor
    mesh = like.device_mesh
    parts = tensor.chunk(mesh.size())
    mine = parts[mesh.get_local_rank()] if mesh.get_local_rank() < len(parts) else tensor[:0]
    rows = mine.to(like.device, copy=True)
    return DTensor.from_local(rows, mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride())


def parts_like(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: part_like(tensor, like[name]) if name in like else tensor for name, tensor in state.items()}


def gathered_layer(layer: nn.Module) -> nn.Module:
    """A layer as it is, or, of a sharded one, a stand-in with whole weights: gathered once, however often it is called.

    Gradients of the stand-in's parameters go to the parts.
    """
    return _Gathered(layer) if any(isinstance(p, DTensor) for p in layer.parameters()) else layer


class _Gathered(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = [layer]  # not a child: its parameters are the parts
        self.out_features = layer.out_features
        self._weights = {
            name: p.full_tensor(grad_placements=[Partial()]) if isinstance(p, DTensor) else p
            for name, p in layer.named_parameters()
        }

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self._weights.values())

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.functional_call(self._layer[0], self._weights, (x,))


def filled(batch: Batch | None, device: torch.device, holds: bool) -> Batch:
    """A batch that is computed by the same steps in every process: one without anything to learn is a single id of no weight.

    `holds`: some process may hold text to the base, so all of them ask the base something.
    """
    if batch is not None and (batch.base_ids is not None or not holds):
        return batch
    ids, layout = pack([np.zeros(1, dtype=np.int64)], device)
    if batch is None:
        zero = torch.zeros(1, dtype=torch.int64, device=device)
        none = torch.zeros(1, device=device)
        batch = Batch(ids, layout, zero, zero, none, none, torch.zeros(1, dtype=torch.bool, device=device), ())
    if holds:
        nowhere = torch.zeros(0, dtype=torch.int64, device=device)
        return replace(batch, base_ids=ids, base_layout=layout, base_where=nowhere)
    return batch
