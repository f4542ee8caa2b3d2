"""Several examples in one row, each seeing itself alone: positions begin anew, attention does not cross.

What all of them begin with (a system prompt, say) stands in the row once, and every example attends to it. Under causal
attention its states do not depend on what follows, so nothing changes but the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel

from voicekit.records import IntArray

ATTENTION = "voicekit_packed"


@dataclass(frozen=True, eq=False)
class Layout:
    """Where things stand in a packed row of T ids: the first `shared` belong to every example, then example r has
    bounds[r]..bounds[r + 1]. `positions` [1, T]."""

    shared: int
    bounds: tuple[int, ...]
    positions: Tensor

    @property
    def segments(self) -> list[tuple[int, int]]:
        """(start, end) of what is attended from: the shared beginning is a segment of its own."""
        first = [(0, self.shared)] if self.shared else []
        return [*first, *zip(self.bounds, self.bounds[1:], strict=False)]

    @cached_property
    def varlen(self) -> tuple[Tensor, Tensor, Tensor | None, int, int]:
        """For a varlen kernel: where queries and keys of each segment begin int32 [S + 1], which row each key is int64 [K]
        (None: the rows as they are), and the longest of each."""
        lengths = np.array([end - start for start, end in self.segments])
        keys = lengths + self.shared
        index = None
        if self.shared:
            keys[0] = self.shared
            beginning = np.arange(self.shared)
            rows = [beginning, *(np.r_[beginning, start:end] for start, end in self.segments[1:])]
            index = torch.from_numpy(np.concatenate(rows)).to(self.positions.device)
        starts = [torch.from_numpy(np.r_[0, np.cumsum(n)].astype(np.int32)).to(self.positions.device) for n in (lengths, keys)]
        return starts[0], starts[1], index, int(lengths.max()), int(keys.max())


def pack(rows: Sequence[IntArray], device: torch.device, share: bool = True) -> tuple[Tensor, Layout]:
    """Ids int64 [1, T] of all rows, and where they stand. Every row keeps at least one id of its own."""
    shared = _common(rows) if share and len(rows) > 1 else 0
    own = [row[shared:] for row in rows]
    bounds = np.cumsum([shared, *(len(row) for row in own)])
    positions = np.concatenate([np.arange(shared), *(np.arange(shared, len(row)) for row in rows)])
    ids = np.concatenate([rows[0][:shared], *own])
    layout = Layout(shared, tuple(int(b) for b in bounds), torch.from_numpy(positions)[None].to(device))
    return torch.from_numpy(ids)[None].to(device), layout


def _common(rows: Sequence[IntArray]) -> int:
    """How many ids all rows begin with, one less than the shortest row at most."""
    shortest = min(len(row) for row in rows) - 1
    same = np.logical_and.reduce([row[:shortest] == rows[0][:shortest] for row in rows[1:]])
    return shortest if same.all() else int(np.argmin(same))


def hidden_states(llm: PreTrainedModel, ids: Tensor, layout: Layout) -> Tensor:
    """The last hidden states [T, hidden] of a packed row; `llm` is under `use_packed_attention`."""
    # transformers hands a ready mask of each kind of layer on as it is: ours is the layout.
    kinds = set(llm.config.layer_types)
    made = llm.model(input_ids=ids, position_ids=layout.positions, attention_mask=dict.fromkeys(kinds, layout), use_cache=False)
    return made.last_hidden_state[0]


def use_packed_attention(llm: PreTrainedModel) -> str:
    """Let `llm` attend by layouts; returns what it used before."""
    before = str(llm.config._attn_implementation)
    llm.config._attn_implementation = ATTENTION
    return before


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Layout | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """query [1, H, T, D], key and value [1, H_kv, T, D] -> [1, T, H, D]. Flash attention where there is a kernel, else exact.

    Without a layout each row of a batch is one causal sequence.
    """
    if attention_mask is None:
        assert query.shape[2] == key.shape[2], "a model in training keeps no cache"
        made = F.scaled_dot_product_attention(query, key, value, None, dropout, is_causal=True, scale=scaling, enable_gqa=True)
        return made.transpose(1, 2), None
    if dropout == 0.0 and has_kernel(query.device, query.dtype, query.shape[1], key.shape[1], query.shape[3]):
        return by_kernel(query, key, value, attention_mask, scaling), None
    return by_segments(query, key, value, attention_mask, scaling, dropout), None


def by_segments(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scaling: float, dropout: float = 0.0) -> Tensor:
    """One dense attention a segment: no work is done for what may not be seen."""
    groups, shared = query.shape[1] // key.shape[1], layout.shared
    made: list[Tensor] = []
    for start, end in layout.segments:
        k, v = key[:, :, start:end], value[:, :, start:end]
        mask = None
        if start and shared:
            k, v = (torch.cat([all_of[:, :, :shared], own], dim=2) for all_of, own in ((key, k), (value, v)))
            mask = torch.ones(end - start, end - start + shared, dtype=torch.bool, device=query.device).tril(shared)
        if groups > 1:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        q = query[:, :, start:end]
        made.append(F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=mask is None, scale=scaling))
    return torch.cat(made, dim=2).transpose(1, 2)


def by_kernel(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scaling: float) -> Tensor:
    """All segments in one call of torch's own flash attention (half precision on a GPU)."""
    from torch.nn.attention.varlen import varlen_attn

    starts_q, starts_k, index, longest_q, longest_k = layout.varlen
    q, k, v = (t[0].transpose(0, 1) for t in (query, key, value))
    if index is not None:
        k, v = k.index_select(0, index), v.index_select(0, index)
    # The window (-1, 0) is causal attention, aligned at the end where there are more keys than queries.
    made = varlen_attn(q, k, v, starts_q, starts_k, longest_q, longest_k, scale=scaling, window_size=(-1, 0))
    assert isinstance(made, Tensor)
    return made[None]


@cache
def has_kernel(device: torch.device, dtype: torch.dtype, heads: int, kv_heads: int, width: int) -> bool:
    """Whether flash attention runs for these shapes on this device and gives what `by_segments` gives, gradients too."""
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return False
    with torch.enable_grad(), torch.random.fork_rng([device]):
        torch.manual_seed(0)
        rows = [np.r_[np.arange(5), np.full(n, n)] for n in (40, 9, 70)]
        _, layout = pack(rows, device)
        shapes = [(1, count, int(layout.positions.numel()), width) for count in (heads, kv_heads, kv_heads)]
        found: list[list[Tensor]] = []
        given = [torch.randn(shape, device=device, dtype=dtype) for shape in shapes]
        try:
            for attend in (by_kernel, by_segments):
                q, k, v = (t.clone().requires_grad_() for t in given)
                made = attend(q, k, v, layout, width**-0.5)
                found.append([made.detach(), *torch.autograd.grad(made.float().square().sum(), [q, k, v])])
        except (RuntimeError, ImportError, TypeError, NotImplementedError):
            return False
    return all(float((a.float() - b.float()).norm()) <= 0.02 * float(b.float().norm()) for a, b in zip(*found, strict=True))


AttentionInterface.register(ATTENTION, packed_attention)
