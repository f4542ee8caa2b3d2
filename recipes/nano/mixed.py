"""bfloat16 working weights with float32 masters: twice as fast as autocast on CPUs with AMX, and small on a GPU.

A processor that does not multiply bfloat16 by itself takes many times as long with it: there all is float32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from voicekit.train.precision import has_fast_bfloat16


def working_type(device: str | torch.device) -> torch.dtype:
    return torch.bfloat16 if has_fast_bfloat16(torch.device(device)) else torch.float32


class MasterAdamW:
    """AdamW on float32 copies of the parameters; the modules themselves compute in the working type. Buffers stay as they are."""

    def __init__(self, modules: Sequence[nn.Module], decay: float = 0.02, betas: tuple[float, float] = (0.9, 0.98)) -> None:
        self.working = [p for m in modules for p in m.parameters() if p.requires_grad]
        self.master = [p.detach().float().clone().requires_grad_() for p in self.working]
        for p in self.working:
            p.data = p.data.to(working_type(p.device))
        groups = [
            {"params": [p for p in self.master if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in self.master if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.adamw = torch.optim.AdamW(groups, 1e-3, betas=betas, fused=True)

    def step(self, rate: float, clip: float = 1.0) -> float:
        """One update at the given learning rate; returns the gradient norm before clipping."""
        for master, p in zip(self.master, self.working, strict=True):
            master.grad = None if p.grad is None else p.grad.float()
            p.grad = None
        norm = nn.utils.clip_grad_norm_(self.master, clip)
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        self._publish()
        return float(norm)

    @torch.no_grad()
    def adopt(self, module: nn.Module, weights: dict[str, torch.Tensor]) -> None:
        """Go on from these weights in one of the modules; the optimizer's memory of it stays."""
        own = {id(p): master for p, master in zip(self.working, self.master, strict=True)}
        for name, p in module.named_parameters():
            own[id(p)].copy_(weights[name])
        self._publish()

    @torch.no_grad()
    def _publish(self) -> None:
        for master, p in zip(self.master, self.working, strict=True):
            p.data.copy_(master)

    def state_dict(self) -> dict:
        return {"master": [m.detach() for m in self.master], "adamw": self.adamw.state_dict()}

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        for master, saved in zip(self.master, state["master"], strict=True):
            master.copy_(saved)
        self.adamw.load_state_dict(state["adamw"])
        self._publish()
