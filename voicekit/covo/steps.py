"""The language model token by token: transformers' modules and weights, our own forward with a preallocated KV cache.

A step of transformers' own forward costs a nano-size model twice as much time as its arithmetic; this one does the same
arithmetic. It is used for every generation, alone or in batches; training and scoring use transformers' forward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers import Qwen2ForCausalLM

CAPACITY = 256


class Steps:
    """Feeds rows of one batch, left-padded, and remembers their keys and values [B, kv heads, capacity, head size]."""

    def __init__(self, llm: Qwen2ForCausalLM, rows: int = 1, capacity: int = CAPACITY) -> None:
        config = llm.config
        self._model: Any = llm.model
        self._head = llm.lm_head
        self._heads = int(config.num_attention_heads)
        self._kv_heads = int(config.num_key_value_heads or self._heads)
        self._head_size = int(getattr(config, "head_dim", None) or config.hidden_size // self._heads)
        self._eps = float(config.rms_norm_eps)
        self.length = 0
        self._pads: Tensor | None = None
        weight = llm.model.embed_tokens.weight
        shape = (rows, self._kv_heads, capacity, self._head_size)
        self._keys = [weight.new_empty(shape) for _ in self._model.layers]
        self._values = [weight.new_empty(shape) for _ in self._model.layers]
        self._cos, self._sin = self._rotation(capacity)

    def start(self, embeds: Tensor, pads: list[int] | None = None) -> Tensor:
        """The prompts [B, T, H], the first pads[b] positions of row b being filler -> logits [B, V] of what comes next."""
        if pads is not None and any(pads):
            self._pads = torch.tensor(pads, device=embeds.device)
        return self._forward(embeds)

    def step(self, ids: Tensor) -> Tensor:
        """One more id for each row, int64 [B] -> logits [B, V]."""
        return self._forward(self._model.embed_tokens(ids)[:, None])

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only, in this order."""
        index = torch.tensor(rows, device=self._keys[0].device)
        self._keys = [k.index_select(0, index) for k in self._keys]
        self._values = [v.index_select(0, index) for v in self._values]
        if self._pads is not None:
            self._pads = self._pads.index_select(0, index)

    def _rotation(self, length: int) -> tuple[Tensor, Tensor]:
        positions = torch.arange(length, device=self._keys[0].device)[None]
        cos, sin = self._model.rotary_emb(self._keys[0], positions)
        return cos[0], sin[0]

    def _reserve(self, length: int) -> None:
        capacity = self._keys[0].shape[2]
        if length <= capacity:
            return
        more = max(length, 2 * capacity) - capacity
        self._keys = [F.pad(k, (0, 0, 0, more)) for k in self._keys]
        self._values = [F.pad(v, (0, 0, 0, more)) for v in self._values]
        self._cos, self._sin = self._rotation(capacity + more)

    def _mask(self, new: int) -> Tensor | None:
        """bool [B or 1, 1, new, length]: True = may be looked at; None for what is plainly causal."""
        total = self.length + new
        if self._pads is None and (new == 1 or self.length == 0):
            return None
        device = self._keys[0].device
        seen = torch.arange(total, device=device)
        mask = seen[None] <= torch.arange(self.length, total, device=device)[:, None]
        if self._pads is None:
            return mask[None, None]
        # A filler position looks at itself alone, so that no row of the softmax is empty.
        own = seen[None] == torch.arange(self.length, total, device=device)[:, None]
        real = seen[None, None] >= self._pads[:, None, None]
        return ((mask[None] & real) | own[None])[:, None]

    def _turn(self, new: int) -> tuple[Tensor, Tensor]:
        """cos and sin [B or 1, new, 1, head size]; positions count from each row's first real token."""
        if self._pads is None:
            span = slice(self.length, self.length + new)
            return self._cos[None, span, None], self._sin[None, span, None]
        positions = torch.arange(self.length, self.length + new, device=self._pads.device)
        positions = (positions[None] - self._pads[:, None]).clamp(min=0)
        return self._cos[positions][:, :, None], self._sin[positions][:, :, None]

    def _norm(self, x: Tensor, module: Any) -> Tensor:
        if x.is_cuda:
            return F.rms_norm(x, (x.shape[-1],), module.weight, self._eps)
        if x.dtype != torch.float32:
            return module(x)
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        return x * mean_square.add_(self._eps).rsqrt_() * module.weight

    def _forward(self, x: Tensor) -> Tensor:
        new = x.shape[1]
        self._reserve(self.length + new)
        mask = self._mask(new)
        cos, sin = self._turn(new)
        for number, layer in enumerate(self._model.layers):
            x = x + self._attend(number, layer.self_attn, self._norm(x, layer.input_layernorm), mask, cos, sin)
            y = self._norm(x, layer.post_attention_layernorm)
            mlp = layer.mlp
            x = x + mlp.down_proj(mlp.act_fn(mlp.gate_proj(y)) * mlp.up_proj(y))
        self.length += new
        return self._head(self._norm(x[:, -1], self._model.norm))

    def _attend(self, number: int, attention: Any, y: Tensor, mask: Tensor | None, cos: Tensor, sin: Tensor) -> Tensor:
        rows, new, size = y.shape[0], y.shape[1], self._head_size
        both = torch.cat([attention.q_proj(y), attention.k_proj(y)], dim=-1).view(rows, new, -1, size)
        q, k = _rotate(both, cos, sin).split([self._heads, self._kv_heads], dim=2)
        v = attention.v_proj(y).view(rows, new, self._kv_heads, size)
        keys, values = self._remember(number, k.transpose(1, 2), v.transpose(1, 2))
        group = self._heads // self._kv_heads
        if new == 1:
            # The heads that share a key stand as positions of one query: nothing is repeated.
            out = F.scaled_dot_product_attention(q.reshape(rows, self._kv_heads, group, size), keys, values, attn_mask=mask)
        else:
            keys, values = keys.repeat_interleave(group, dim=1), values.repeat_interleave(group, dim=1)
            causal = mask is None
            out = F.scaled_dot_product_attention(q.transpose(1, 2), keys, values, mask, is_causal=causal).transpose(1, 2)
        return attention.o_proj(out.reshape(rows, new, self._heads * size))

    def _remember(self, number: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keep what is new of a layer [B, kv heads, new, head size]; all there is to look at."""
        total = self.length + k.shape[2]
        keys, values = self._keys[number], self._values[number]
        keys[:, :, self.length : total] = k
        values[:, :, self.length : total] = v
        return keys[:, :, :total], values[:, :, :total]


class FixedSteps(Steps):
    """The same in tensors that never move, the position among them: a step can be recorded as a CUDA graph and replayed.

    Once `fix`ed, a step looks at the first `seen` places, masked where nothing is yet, and does not touch `length`.
    """

    def __init__(self, llm: Qwen2ForCausalLM, rows: int, capacity: int) -> None:
        super().__init__(llm, rows, capacity)
        device = self._keys[0].device
        for cache in (*self._keys, *self._values):
            cache.zero_()  # what is masked is multiplied by 0, and that must give 0
        self.position = torch.zeros(1, dtype=torch.long, device=device)
        self._all_pads = torch.zeros(rows, dtype=torch.long, device=device)
        self._places = torch.arange(capacity, device=device)
        self.seen = 0

    def fix(self) -> None:
        """What follows is single steps behind the prompts that were started."""
        self.position.fill_(self.length)
        self._all_pads.zero_()
        if self._pads is not None:
            self._all_pads.copy_(self._pads)

    def release(self) -> None:
        """Ready for other prompts."""
        self.length, self._pads, self.seen = 0, None, 0

    def step(self, ids: Tensor) -> Tensor:
        logits = super().step(ids)
        self.position += 1
        return logits

    def _reserve(self, length: int) -> None:
        if length > self._keys[0].shape[2]:
            raise ValueError(f"{length} positions do not fit")

    def _mask(self, new: int) -> Tensor | None:
        if not self.seen:
            return super()._mask(new)
        places = self._places[: self.seen][None]
        return ((places <= self.position) & (places >= self._all_pads[:, None]))[:, None, None]

    def _turn(self, new: int) -> tuple[Tensor, Tensor]:
        if not self.seen:
            return super()._turn(new)
        where = self.position - self._all_pads
        return self._cos[where][:, None, None], self._sin[where][:, None, None]

    def _remember(self, number: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if not self.seen:
            return super()._remember(number, k, v)
        keys, values = self._keys[number], self._values[number]
        keys.index_copy_(2, self.position, k)
        values.index_copy_(2, self.position, v)
        return keys[:, :, : self.seen], values[:, :, : self.seen]


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of [B, T, heads, size], rotate-half form."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin
