"""Which devices multiply in bfloat16 by themselves: twice as fast as in float32 and more; elsewhere it would be slower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from voicekit.specs import Precision


def has_fast_bfloat16(device: torch.device) -> bool:
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()


def product_type(precision: Precision, device: torch.device) -> torch.dtype:
    """Of a float32 model's products on the processor: what `precision` says, by default what is fast there."""
    is_half = precision == "bf16" or (precision == "auto" and device.type == "cpu" and has_fast_bfloat16(device))
    return torch.bfloat16 if is_half else torch.float32


def half(device: torch.device) -> torch.autocast:
    """Inside, products are made in bfloat16 where that is fast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))
