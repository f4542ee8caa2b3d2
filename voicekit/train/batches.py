"""Which examples are learned together, in which order, and as which tensors. The order is a function of the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voicekit.records import IntArray, TrainingExample

# Examples of about this many batches are sorted by length together: enough to pad little, few enough to stay mixed.
WINDOW_BATCHES = 6


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded token ids [B, T] and the positions that are predicted.

    Sequences are padded on the right: under causal attention no real position sees the padding, so no mask is needed.
    `rows`, `columns` [N] point at the hidden state that predicts `targets` [N] with `loss_weight` and `kl_weight` [N];
    `reported` [N] marks targets that count in the reported speech loss. The base is held to what it says of `base_ids` [B, T']
    at `base_columns` [N].
    """

    ids: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor
    loss_weight: Tensor
    kl_weight: Tensor
    reported: Tensor
    base_ids: Tensor
    base_columns: Tensor


def plan(examples: Sequence[TrainingExample], batch_tokens: int, seed: int, steps: int) -> list[tuple[int, ...]]:
    """The examples of each step, as indices.

    A batch holds at most `batch_tokens` ids with its padding (or one longer example). Epochs are gone through in order,
    each shuffled; after the last one they begin again. What does not fill a batch joins the next window.
    """
    batches: list[tuple[int, ...]] = []
    window: list[int] = []
    tokens = 0
    for index in _endless(examples, seed):
        window.append(index)
        tokens += len(examples[index].ids)
        if tokens < WINDOW_BATCHES * batch_tokens:
            continue
        rng = np.random.default_rng([seed, 7, len(batches)])
        *full, window = _pack(window, examples, batch_tokens, rng)
        tokens = sum(len(examples[i].ids) for i in window)
        batches += [full[i] for i in rng.permutation(len(full))]
        if len(batches) >= steps:
            return batches[:steps]
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


def _pack(window: list[int], examples: Sequence[TrainingExample], batch_tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """Batches of similar lengths; the last one is what was left over."""
    # Up or down at random, so that what is left over is not always the longest.
    up = 1 if rng.random() < 0.5 else -1
    batches: list[list[int]] = [[]]
    longest = 0
    for index in sorted(window, key=lambda i: up * len(examples[i].ids)):
        longest = max(longest, len(examples[index].ids))
        if batches[-1] and longest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
            longest = len(examples[index].ids)
        batches[-1].append(index)
    return batches


def micro_batches(indices: Sequence[int], examples: Sequence[TrainingExample], micro_tokens: int) -> list[list[int]]:
    """The same examples in pieces of at most `micro_tokens` padded ids (0: one piece)."""
    if not micro_tokens:
        return [list(indices)]
    pieces: list[list[int]] = [[]]
    for index in indices:
        longest = max(len(examples[i].ids) for i in [*pieces[-1], index])
        if pieces[-1] and longest * (len(pieces[-1]) + 1) > micro_tokens:
            pieces.append([])
        pieces[-1].append(index)
    return pieces


def collate(examples: Sequence[TrainingExample], device: torch.device, speech_from: int = 0) -> Batch:
    """Pad and find the supervised positions. `speech_from` is the id of speech code 0."""
    ids, base_ids = _padded([e.ids for e in examples]), _padded([e.seen_by_base for e in examples])
    longest = ids.shape[1]
    loss = np.zeros((len(examples), longest), np.float32)
    divergence = np.zeros((len(examples), longest), np.float32)
    reported = np.zeros((len(examples), longest), bool)
    for row, example in enumerate(examples):
        length = len(example.ids)
        loss[row, :length] = example.loss_weight
        divergence[row, :length] = example.kl_weight
        reported[row, :length] = (example.ids >= speech_from) & (not example.kind.startswith("replay"))
    rows, positions = np.nonzero((loss[:, 1:] > 0) | (divergence[:, 1:] > 0))
    targets = positions + 1
    later = np.array([len(e.seen_by_base) - len(e.ids) for e in examples])

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return Batch(
        ids=tensor(ids),
        rows=tensor(rows),
        columns=tensor(positions),
        targets=tensor(ids[rows, targets]),
        loss_weight=tensor(loss[rows, targets]),
        kl_weight=tensor(divergence[rows, targets]),
        reported=tensor((reported & (loss > 0))[rows, targets]),
        base_ids=tensor(base_ids),
        base_columns=tensor(positions + later[rows]),
    )


def _padded(rows: Sequence[IntArray]) -> IntArray:
    out = np.zeros((len(rows), max(len(row) for row in rows)), np.int64)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out
