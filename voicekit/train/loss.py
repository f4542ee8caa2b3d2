"""Losses as sums, so that micro-batches and devices add up before one division a step.

Logits exist for a few positions at a time: a whole [N, 168055] in float32 would be larger than the model's activations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from voicekit.train.batches import Batch
from voicekit.train.packing import hidden_states
from voicekit.train.sharding import gathered_layer
from voicekit.train.trainable import Trainable

# Logits that exist at once: 256 MiB in float32.
CHUNK_LOGITS = 2**26


class Terms(NamedTuple):
    """One micro-batch. `loss` = cross-entropy sum x its scale + KL sum x its scale, differentiable.

    `sums` [4]: weighted cross-entropy, weighted KL(base || adapted), cross-entropy of the reported speech tokens (all in
    nats, before any division) and the number of these.
    """

    loss: Tensor
    sums: Tensor


def losses_of(trainable: Trainable, batch: Batch, ce_scale: float = 1.0, kl_scale: float = 1.0) -> Terms:
    """Run the llm and take the losses. Logits are made at the learned positions alone, the base's only where it is held to.

    The scales are 1 / (what the step's sums are divided by): they are known before, so that gradients can be taken chunk by
    chunk while the logits are there.
    """
    head = base_head = gathered_layer(trainable.llm.lm_head)
    base_hidden = None
    if batch.base_ids is not None:
        assert batch.base_layout is not None and batch.base_where is not None
        with trainable.reference() as base:
            base_hidden = hidden_states(base, batch.base_ids, batch.base_layout).index_select(0, batch.base_where)
            if trainable.base_head is not trainable.llm.lm_head:
                base_head = gathered_layer(trainable.base_head)
    hidden = hidden_states(trainable.llm, batch.ids, batch.layout).index_select(0, batch.where)
    weights = [p for p in head.parameters() if p.requires_grad]
    loss, sums = _ChunkedLoss.apply(hidden, base_hidden, batch, head, base_head, ce_scale, kl_scale, *weights)  # pyright: ignore
    return Terms(loss, sums)


class _ChunkedLoss(torch.autograd.Function):
    """hidden [N, h], base_hidden [M, h] -> (loss, sums [4]); gradients are taken in the forward pass, where logits are."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        base_hidden: Tensor | None,
        batch: Batch,
        head: nn.Module,
        base_head: nn.Module,
        ce_scale: float,
        kl_scale: float,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        wanted = any(ctx.needs_input_grad)
        sums = torch.zeros(4, dtype=torch.float64, device=hidden.device)
        of_hidden = torch.empty_like(hidden) if wanted else None
        of_weights = [torch.zeros_like(w) for w in weights]
        for chunk in _chunks(batch, hidden.shape[0], head):
            with torch.set_grad_enabled(wanted):
                own = hidden[chunk.rows].detach().requires_grad_(wanted)
                logits = head(own)
            base_logits = None
            if base_hidden is not None and len(chunk.held):
                base_logits = base_head(base_hidden[chunk.base_rows])
            some, gradient = _of_logits(logits.detach(), base_logits, batch, chunk, ce_scale, kl_scale, wanted)
            sums += some
            if gradient is not None and of_hidden is not None:
                found = torch.autograd.grad(logits, [own, *weights], gradient)
                of_hidden[chunk.rows] = found[0]
                for total, more in zip(of_weights, found[1:], strict=True):
                    total += more
        ctx.save_for_backward(*([] if of_hidden is None else [of_hidden, *of_weights]))
        ctx.mark_non_differentiable(sums)
        return (sums[0] * ce_scale + sums[1] * kl_scale).float(), sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        of_hidden, *of_weights = ctx.saved_tensors
        factor = gradients[0]
        return (of_hidden * factor.to(of_hidden.dtype), *[None] * 6, *(w * factor.to(w.dtype) for w in of_weights))


class _Chunk(NamedTuple):
    """A range of the N learned positions; `held` [m] are those of it, counted from its start, whose base is in `base_rows`."""

    rows: slice
    held: list[int]
    base_rows: slice


def _chunks(batch: Batch, count: int, head: nn.Module) -> list[_Chunk]:
    size = max(1, CHUNK_LOGITS // int(head.out_features))  # pyright: ignore[reportArgumentType]
    made: list[_Chunk] = []
    first = 0
    for start in range(0, count, size):
        end = min(start + size, count)
        last = first
        while last < len(batch.held) and batch.held[last] < end:
            last += 1
        made.append(_Chunk(slice(start, end), [i - start for i in batch.held[first:last]], slice(first, last)))
        first = last
    return made


def _of_logits(
    logits: Tensor, base_logits: Tensor | None, batch: Batch, chunk: _Chunk, ce_scale: float, kl_scale: float, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """Sums [4] of a chunk, and the gradient [n, V] of the scaled loss by its logits [n, V]."""
    log_p = torch.log_softmax(logits.float(), dim=-1)
    targets, weight = batch.targets[chunk.rows], batch.loss_weight[chunk.rows]
    losses = F.nll_loss(log_p, targets, reduction="none")
    reported = batch.reported[chunk.rows]
    sums = [(losses * weight).sum(), losses.new_zeros(()), (losses * reported).sum(), reported.sum()]
    base, rows, pull = None, None, None
    if base_logits is not None:
        base = torch.log_softmax(base_logits.float(), dim=-1)
        rows = torch.tensor(chunk.held, device=logits.device)
        pull = batch.kl_weight[chunk.rows][rows]
        of_ours = log_p if len(chunk.held) == len(log_p) else log_p[rows]
        p = base.exp()
        # p (log p - log q) + q - p, summed: q and p both sum to one, and so the rounding of the logarithms cancels. log p is
        # not needed afterwards.
        sums[1] = (pull * of_ours.exp().sub_(p).addcmul_(base.sub_(of_ours), p).sum(dim=-1)).sum()
        base = p
    stacked = torch.stack([s.double() for s in sums])
    if not wanted:
        return stacked, None
    # d CE = w (q - onehot); d KL = k (q - p), by softmax q of ours and p of the base.
    factor = weight * ce_scale
    total = factor.clone()
    if rows is not None and pull is not None:
        total.index_add_(0, rows, pull * kl_scale)
    gradient = log_p.exp_().mul_(total[:, None])
    gradient.scatter_add_(1, targets[:, None], -factor[:, None])
    if base is not None and rows is not None and pull is not None:
        gradient.index_add_(0, rows, base.mul_((-kl_scale * pull)[:, None]))
    return stacked, gradient.to(logits.dtype)
