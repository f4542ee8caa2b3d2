"""LoRA layers for training: PEFT's mathematics in fewer passes over memory, in bfloat16 where that is fast.

y = x W' + b + s (x A') B'. The base weights are frozen, so the two products are added in place, and what the gradient
needs is kept in the type of the products.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear
from peft.tuners.trainable_tokens import TrainableTokensLayer
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed.tensor import DTensor


def install(llm: nn.Module, dtype: torch.dtype) -> int:
    """Give every plain LoRA layer the fast forward; returns how many. PEFT removes it on unload.

    Products are made in `dtype` where a float32 weight lies on the CPU, elsewhere in the weight's own type.
    """
    layers = [m for m in llm.modules() if isinstance(m, Linear) and _is_plain(m)]
    for layer in layers:
        weight: Any = layer.get_base_layer().weight
        is_given = weight.dtype == torch.float32 and weight.device.type == "cpu"
        layer.forward = _FastForward(layer, dtype if is_given else weight.dtype)
    for rows in (m for m in llm.modules() if isinstance(m, TrainableTokensLayer)):
        rows.forward = _FastRows(rows)
    return len(layers)


def _is_plain(layer: Linear) -> bool:
    weight = layer.get_base_layer().weight
    is_dense = weight.dtype in (torch.float32, torch.bfloat16, torch.float16)
    only_default = list(layer.lora_A) == ["default"] and not layer.use_dora.get("default", False)
    no_dropout = isinstance(layer.lora_dropout["default"], nn.Identity)
    return only_default and no_dropout and is_dense


class _FastForward:
    """Stands in for `layer.forward`. The base weights are converted once: they do not change while LoRA is trained. Sharded
    ones are converted each time: they are whole only while the layer is computed."""

    def __init__(self, layer: Linear, dtype: torch.dtype) -> None:
        self.layer, self.dtype = layer, dtype
        self.converted: tuple[Tensor, Tensor | None] | None = None
        if not isinstance(layer.get_base_layer().weight, DTensor):
            weight, bias = self._base()
            self.converted = weight.to(dtype), None if bias is None else bias.to(dtype)

    def _base(self) -> tuple[Tensor, Tensor | None]:
        base: Any = self.layer.get_base_layer()
        return base.weight.detach(), None if base.bias is None else base.bias.detach()

    def __call__(self, x: Tensor) -> Tensor:
        weight, bias = self.converted or self._base()
        bias = None if bias is None else bias.to(self.dtype)
        if self.layer.disable_adapters:
            return nn.functional.linear(x.to(self.dtype), weight.to(self.dtype), bias).to(x.dtype)
        a, b = self.layer.lora_A["default"].weight, self.layer.lora_B["default"].weight
        return _LoraProduct.apply(x, weight, bias, a, b, self.layer.scaling["default"], self.dtype)


class _FastRows:
    """Stands in for the forward of trained embedding rows, which lie together: looks up in both tables, where PEFT copies the
    whole table each time."""

    def __init__(self, layer: TrainableTokensLayer) -> None:
        self.layer = layer
        self.first = layer.token_indices["default"][0]

    def __call__(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        table: Any = self.layer.get_base_layer().weight
        own = self.layer.trainable_tokens_delta["default"]
        plain = nn.functional.embedding(x, table)
        if self.layer.disable_adapters:
            return plain
        place = x - self.first
        is_own = (place >= 0) & (place < len(own))
        return torch.where(is_own[..., None], nn.functional.embedding(place.clamp(0, len(own) - 1), own).to(plain.dtype), plain)


class _LoraProduct(torch.autograd.Function):
    """x [..., in], weight [out, in], bias [out] in the product type `dtype`, a [r, in], b [out, r] float32.

    The weight may be of another type, it is converted again in the backward pass: what was converted may not be kept.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float, dtype: torch.dtype
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1]).to(dtype)
        a, scaled_b = a.to(dtype), (b * scaling).to(dtype)
        turned = weight.to(dtype).t()
        y = flat @ turned if bias is None else torch.addmm(bias, flat, turned)
        narrow = flat @ a.t()
        y.addmm_(narrow, scaled_b.t())
        ctx.save_for_backward(flat, narrow, weight, a, scaled_b)
        ctx.scaling, ctx.shape, ctx.trained_type = scaling, x.shape, b.dtype
        return y.to(x.dtype).view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        flat, narrow, weight, a, scaled_b = ctx.saved_tensors
        g = gradient.reshape(-1, gradient.shape[-1]).to(flat.dtype)
        g_narrow = g @ scaled_b
        g_x = None
        if ctx.needs_input_grad[0]:
            g_x = (g @ weight.to(g.dtype)).addmm_(g_narrow, a).to(gradient.dtype).view(ctx.shape)
        g_a = (g_narrow.t() @ flat).to(ctx.trained_type)
        g_b = (g.t() @ narrow).to(ctx.trained_type).mul_(ctx.scaling)
        return g_x, None, None, g_a, g_b, None, None
