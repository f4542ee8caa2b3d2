"""Which examples are learned together, in which order, and as which tensors. The order is a function of the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voicekit.records import IntArray, TrainingExample
from voicekit.train.packing import Layout, pack


@dataclass(frozen=True, eq=False)
class Batch:
    """Packed ids [1, T] and the places whose hidden state predicts something.

    `where` [N] points at the hidden states that predict `targets` [N] with `loss_weight` and `kl_weight` [N]; `reported` [N]
    marks targets that count in the reported speech loss. The base is held, at `held` [M] of those N, to what it says of
    `base_ids` [1, T'] at `base_where` [M]; None where nothing is held.
    """

    ids: Tensor
    layout: Layout
    where: Tensor
    targets: Tensor
    loss_weight: Tensor
    kl_weight: Tensor
    reported: Tensor
    held: tuple[int, ...]
    base_ids: Tensor | None = None
    base_layout: Layout | None = None
    base_where: Tensor | None = None


def plan(examples: Sequence[TrainingExample], batch_tokens: int, seed: int, steps: int) -> list[tuple[int, ...]]:
    """The examples of each step, as indices.

    A batch holds at most `batch_tokens` ids (or one longer example). Epochs are gone through in order, each shuffled; after
    the last one they begin again.
    """
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    tokens = 0
    for index in _endless(examples, seed):
        length = len(examples[index].ids)
        if batch and tokens + length > batch_tokens:
            batches.append(tuple(batch))
            batch, tokens = [], 0
            if len(batches) == steps:
                return batches
        batch.append(index)
        tokens += length
    return []


def _endless(examples: Sequence[TrainingExample], seed: int) -> Iterator[int]:
    by_epoch: dict[int, list[int]] = {}
    for index, example in enumerate(examples):
        by_epoch.setdefault(example.epoch, []).append(index)
    turn = 0
    while by_epoch:
        for epoch in sorted(by_epoch):
            rng = np.random.default_rng([seed, 5, turn, epoch])
            yield from (by_epoch[epoch][i] for i in rng.permutation(len(by_epoch[epoch])))
        turn += 1


def micro_batches(indices: Sequence[int], examples: Sequence[TrainingExample], micro_tokens: int) -> list[list[int]]:
    """The same examples in pieces of at most `micro_tokens` ids (0: one piece)."""
    if not micro_tokens:
        return [list(indices)]
    pieces: list[list[int]] = [[]]
    tokens = 0
    for index in indices:
        length = len(examples[index].ids)
        if pieces[-1] and tokens + length > micro_tokens:
            pieces.append([])
            tokens = 0
        pieces[-1].append(index)
        tokens += length
    return pieces


def share(indices: Sequence[int], examples: Sequence[TrainingExample], rank: int, size: int) -> list[int]:
    """What process `rank` of `size` learns of a step, so that all have about as many ids; it may be nothing."""
    loads, shares = [0] * size, [list[int]() for _ in range(size)]
    for index in sorted(indices, key=lambda i: -len(examples[i].ids)):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += len(examples[index].ids)
    chosen = set(shares[rank])
    return [i for i in indices if i in chosen] if size > 1 else list(indices)


def collate(examples: Sequence[TrainingExample], device: torch.device, speech_from: int = 0) -> Batch | None:
    """Pack what is needed to learn `examples`: what follows the last learned target is left out; None if nothing is learned.

    `speech_from` is the id of speech code 0.
    """
    learned = [(e, targets) for e in examples if len(targets := _targets(e))]
    if not learned:
        return None
    ids, layout = pack([e.ids[: targets[-1]] for e, targets in learned], device)
    chosen = [(e, targets, e.kl_weight[targets] > 0) for e, targets in learned]
    speech = [(e.ids[t] >= speech_from) & (e.loss_weight[t] > 0) & (not e.kind.startswith("replay")) for e, t in learned]
    held = np.concatenate([is_held for _, _, is_held in chosen])
    batch = Batch(
        ids=ids,
        layout=layout,
        where=_tensor(_places([targets - 1 for _, targets in learned], layout), device),
        targets=_tensor(np.concatenate([e.ids[t] for e, t in learned]), device),
        loss_weight=_tensor(np.concatenate([e.loss_weight[t] for e, t in learned]), device),
        kl_weight=_tensor(np.concatenate([e.kl_weight[t] for e, t in learned]), device),
        reported=_tensor(np.concatenate(speech), device),
        held=tuple(int(i) for i in np.flatnonzero(held)),
    )
    return _with_base(batch, [(e, targets[is_held]) for e, targets, is_held in chosen if is_held.any()], device)


def _with_base(batch: Batch, held: Sequence[tuple[TrainingExample, IntArray]], device: torch.device) -> Batch:
    """The batch with what the base is to read: its own ids may be longer at the beginning, the held targets are the same."""
    if not held:
        return batch
    seen = [(e.seen_by_base, targets + len(e.seen_by_base) - len(e.ids)) for e, targets in held]
    ids, layout = pack([base_ids[: targets[-1]] for base_ids, targets in seen], device)
    where = _tensor(_places([targets - 1 for _, targets in seen], layout), device)
    return Batch(**{**vars(batch), "base_ids": ids, "base_layout": layout, "base_where": where})


def _targets(example: TrainingExample) -> IntArray:
    """Positions of the ids that are predicted, in order."""
    return np.flatnonzero((example.loss_weight[1:] > 0) | (example.kl_weight[1:] > 0)) + 1


def _places(columns: Sequence[IntArray], layout: Layout) -> IntArray:
    """Where the columns of each example stand in the packed row."""
    own = (np.where(c < layout.shared, c, c - layout.shared + start) for c, start in zip(columns, layout.bounds, strict=False))
    return np.concatenate(list(own))


def _tensor(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
