"""Losses as (weighted sum, what to divide by), so that micro-batches and devices add up before one division a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from voicekit.train.batches import Batch
from voicekit.train.trainable import Trainable


def masked_ce(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats. logits [N, V] at the supervised positions only, targets [N], weights [..., N].

    Returns (sums of weight x loss [...], sums of weights [...]): several weightings of the same losses are one pass.
    """
    losses = F.cross_entropy(logits.float(), targets, reduction="none")
    return (losses * weights).sum(dim=-1), weights.sum(dim=-1)


def masked_kl(base_logits: Tensor, logits: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """KL(base || adapted) in nats. Both logits [N, V], weights [N].

    Returns (sum of weight x KL, number of positions): weights are absolute, half the weight is half the pull.
    """
    base = torch.log_softmax(base_logits.float(), dim=-1)
    adapted = torch.log_softmax(logits.float(), dim=-1)
    divergence = (base.exp() * (base - adapted)).sum(dim=-1)
    return (divergence * weights).sum(), weights.new_tensor(float(weights.numel()))


@dataclass(frozen=True)
class Terms:
    """Sums over one micro-batch, before any division. `speech_sum` (nats) and `speech_count` are of reported speech tokens."""

    ce_sum: Tensor
    kl_sum: Tensor
    speech_sum: float
    speech_count: int


def losses_of(trainable: Trainable, batch: Batch) -> Terms:
    """Run the llm and take the losses. Logits are made at the learned positions alone, the base's only where it is held to."""
    llm = trainable.llm
    hidden = llm.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    logits = llm.lm_head(hidden[batch.rows, batch.columns]).float()
    sums, counts = masked_ce(logits, batch.targets, torch.stack([batch.loss_weight, batch.reported.float()]))
    held = batch.kl_weight > 0
    kl_sum = logits.new_zeros(())
    if bool(held.any()):
        rows, place = torch.unique(batch.rows[held], return_inverse=True)
        with trainable.reference() as base:
            base_hidden = base.model(input_ids=batch.base_ids[rows], use_cache=False).last_hidden_state
            base_logits = base.lm_head(base_hidden[place, batch.base_columns[held]])
        kl_sum, _ = masked_kl(base_logits, logits[held], batch.kl_weight[held])
    return Terms(sums[0], kl_sum, float(sums[1].detach()), int(counts[1]))
