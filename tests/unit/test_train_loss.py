"""The losses, the batches they are taken over, and that packing, chunks and pieces learn the same as one plain example each."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.tiny_llm import TEXT_IDS, examples, tiny_llm
from voicekit.records import TrainingExample
from voicekit.specs import Full, Lora
from voicekit.train import loss
from voicekit.train.batches import Batch, collate, micro_batches, plan, share
from voicekit.train.loss import losses_of
from voicekit.train.trainable import Trainable, attach

CPU = torch.device("cpu")
SYSTEM = np.array([3, 1, 4, 1, 5], np.int64)
METHODS = [Lora(rank=4), Full(), Lora(rank=4, targets=("q_proj", "lm_head"))]


def disturbed(method: Lora | Full) -> Trainable:
    trainable = attach(tiny_llm(), method)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return trainable


def with_system(some: Sequence[TrainingExample], system: np.ndarray = SYSTEM) -> list[TrainingExample]:
    """The same, all beginning alike; what the base reads begins with three ids more."""

    def longer(weight: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros(len(system), np.float32), weight])

    return [
        TrainingExample(
            np.concatenate([system, e.ids]),
            longer(e.loss_weight),
            longer(e.kl_weight),
            e.kind,
            reference_ids=np.concatenate([[7, 8, 9], system, e.ids]),
        )
        for e in some
    ]


def packed(some: Sequence[TrainingExample]) -> Batch:
    batch = collate(some, CPU, TEXT_IDS)
    assert batch is not None
    return batch


def gradients(trainable: Trainable) -> torch.Tensor:
    return torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in trainable.parameters()])


def plainly(trainable: Trainable, some: Sequence[TrainingExample], ce_scale: float, kl_scale: float) -> tuple[float, float]:
    """The losses one example at a time, by all logits of transformers' own attention, divergences in float64; gradients are left
    on the weights."""
    ce_sum = kl_sum = 0.0
    with trainable.reference() as base:
        base.config._attn_implementation = "eager"
        known = [base(input_ids=torch.from_numpy(e.seen_by_base)[None]).logits[0, :-1].double().log_softmax(-1) for e in some]
    trainable.llm.config._attn_implementation = "eager"
    for example, base_log_p in zip(some, known, strict=True):
        log_q = trainable.llm(input_ids=torch.from_numpy(example.ids)[None]).logits[0, :-1].double().log_softmax(-1)
        log_p = base_log_p[-len(log_q) :]
        weight, pull = torch.from_numpy(example.loss_weight[1:]), torch.from_numpy(example.kl_weight[1:])
        ce = (weight * F.nll_loss(log_q, torch.from_numpy(example.ids[1:]), reduction="none")).sum()
        kl = (pull * (log_p.exp() * (log_p - log_q)).sum(-1)).sum()
        (ce_scale * ce + kl_scale * kl).backward()
        ce_sum, kl_sum = ce_sum + float(ce.detach()), kl_sum + float(kl.detach())
    return ce_sum, kl_sum


@pytest.mark.parametrize("method", METHODS, ids=["lora", "full", "lora of the head"])
@pytest.mark.parametrize("chunk_logits", [2**26, 5 * 72, 1], ids=["one chunk", "few rows", "one row"])
def test_packed_and_chunked_equals_one_by_one_and_whole(
    method: Lora | Full, chunk_logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and gradients within 1e-5, with a beginning in common and without."""
    monkeypatch.setattr(loss, "CHUNK_LOGITS", chunk_logits)
    for some in (examples([9, 17, 30], kl=True), with_system(examples([9, 17, 30, 2], kl=True))):
        ours, theirs = disturbed(method), disturbed(method)
        ce, kl = plainly(theirs, some, 0.05, 0.4)
        terms = losses_of(ours, packed(some), 0.05, 0.4)
        terms.loss.backward()
        assert kl > 1e-3
        assert terms.sums[:2].tolist() == pytest.approx([ce, kl], rel=1e-5)
        assert float(terms.loss.detach()) == pytest.approx(0.05 * ce + 0.4 * kl, rel=1e-5)
        expected = gradients(theirs)
        assert float((gradients(ours) - expected).norm() / expected.norm()) < 1e-5


def test_logits_never_exist_for_more_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 5 * 72)
    trainable = disturbed(Full())
    made: list[int] = []
    trainable.llm.lm_head.register_forward_hook(lambda _, __, logits: made.append(logits.shape[0]))
    batch = packed(examples([30, 30], kl=True))
    losses_of(trainable, batch)
    assert max(made) == 5
    assert sum(made) == len(batch.targets) > 20


def test_what_is_common_stands_in_the_row_once_and_what_follows_the_last_target_not_at_all() -> None:
    some = with_system(examples([10, 20]))
    batch = packed(some)
    # ids 0 of both examples are random text, of 40: with this seed they differ.
    assert batch.layout.shared == len(SYSTEM)
    assert batch.ids.shape == (1, 5 + 9 + 19)
    assert batch.layout.positions.max() == 5 + 19 - 1
    masked = [replace(e, loss_weight=np.where(np.arange(len(e.ids)) > 12, 0, e.loss_weight)) for e in some]
    last = max(int(np.flatnonzero(e.loss_weight)[-1]) for e in masked)
    assert packed(masked).layout.positions.max() == last - 1


def test_an_example_does_not_see_its_neighbours() -> None:
    """Changing one leaves the losses of the others exactly as they were."""
    trainable = disturbed(Lora(rank=4))
    first, second, third = examples([12, 16, 20], kl=True)
    other = replace(second, ids=(second.ids + 1) % 40)

    def of_third_alone(middle: TrainingExample) -> torch.Tensor:
        silent = [replace(e, loss_weight=e.loss_weight * 1e-30, kl_weight=0 * e.kl_weight) for e in (first, middle)]
        with torch.no_grad():
            return losses_of(trainable, packed([*silent, third])).sums[:2]

    assert torch.equal(of_third_alone(second), of_third_alone(other))


def test_cross_entropy_and_kl_of_known_probabilities() -> None:
    """A head that gives what it is given: 2 x ln 2 nats for p = 1/2 at weight 2, and KL by its definition."""
    example = TrainingExample(np.array([0, 1, 0]), np.array([0, 2.0, 0], np.float32), np.array([0, 0, 0.5], np.float32))
    batch = packed([example])
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75]])).requires_grad_()
    base = torch.log(torch.tensor([[0.5, 0.5]]))

    class Same(torch.nn.Identity):
        out_features = 2

    _, sums = loss._ChunkedLoss.apply(logits, base, batch, Same(), Same(), 1.0, 1.0)  # type: ignore[misc]
    divergence = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert sums.tolist() == pytest.approx([2 * np.log(2), 0.5 * divergence, 0, 0], rel=1e-6)


def test_the_reported_speech_loss_is_of_speech_tokens_outside_replay() -> None:
    ids = np.array([1, 2, 3, TEXT_IDS + 1, TEXT_IDS + 2], np.int64)
    weight = np.array([0, 0, 1, 1, 0], np.float32)
    made = [TrainingExample(ids, weight, np.zeros(5, np.float32), kind) for kind in ("pseudo_masked", "replay")]
    batch = packed(made)
    assert batch.targets.tolist() == [3, TEXT_IDS + 1, 3, TEXT_IDS + 1]
    assert batch.reported.tolist() == [False, True, False, False]
    # Both begin with 1, 2; each has one id of its own that is read.
    assert batch.where.tolist() == [1, 2, 1, 3]


def test_nothing_to_learn_is_no_batch() -> None:
    (example,) = examples([9])
    assert collate([replace(example, loss_weight=0 * example.loss_weight)], CPU) is None


def test_kl_is_zero_at_the_base() -> None:
    some = examples([20, 20], kl=True)
    for method in METHODS[:2]:
        sums = losses_of(attach(tiny_llm(), method), packed(some)).sums
        assert float(sums[1]) == pytest.approx(0.0, abs=1e-5)


@settings(max_examples=50)
@given(
    lengths=st.lists(st.integers(2, 60), min_size=1, max_size=40),
    batch_tokens=st.integers(20, 200),
    seed=st.integers(0, 5),
)
def test_a_plan_is_full_within_its_size_fair_and_repeatable(lengths: list[int], batch_tokens: int, seed: int) -> None:
    some = examples(lengths)
    steps = 30
    batches = plan(some, batch_tokens, seed, steps)
    assert batches == plan(some, batch_tokens, seed, steps)
    assert len(batches) == steps
    for batch, following in pairwise(batches):
        tokens = sum(lengths[i] for i in batch)
        assert len(batch) == 1 or tokens <= batch_tokens
        assert tokens + lengths[following[0]] > batch_tokens
    # A shorter run is the same run cut short.
    assert plan(some, batch_tokens, seed, 7) == batches[:7]


def test_a_plan_goes_through_epochs_in_order_and_loses_nothing() -> None:
    some = [TrainingExample(e.ids, e.loss_weight, e.kl_weight, epoch=i // 30) for i, e in enumerate(examples([10] * 90))]
    batches = plan(some, 50, 0, 36)
    order = [i for batch in batches for i in batch]
    assert sorted(order[:90]) == list(range(90))
    assert [some[i].epoch for i in order] == [0] * 30 + [1] * 30 + [2] * 30 + [0] * 30 + [1] * 30 + [2] * 30
    assert order[:90] != order[90:]
    assert plan(some, 50, 1, 36) != batches


@given(lengths=st.lists(st.integers(2, 60), min_size=1, max_size=20), size=st.integers(0, 150))
def test_micro_batches_are_the_batch_in_pieces(lengths: list[int], size: int) -> None:
    some = examples(lengths)
    pieces = micro_batches(range(len(some)), some, size)
    assert [i for p in pieces for i in p] == list(range(len(some)))
    assert all(not size or len(p) == 1 or sum(lengths[i] for i in p) <= size for p in pieces)


@given(lengths=st.lists(st.integers(2, 60), min_size=1, max_size=20), size=st.integers(1, 4))
def test_shares_are_the_batch_and_about_equal(lengths: list[int], size: int) -> None:
    some = examples(lengths)
    shares = [share(range(len(some)), some, rank, size) for rank in range(size)]
    assert sorted(i for own in shares for i in own) == list(range(len(some)))
    loads = [sum(lengths[i] for i in own) for own in shares]
    assert max(loads) - min(loads) <= max(lengths)
