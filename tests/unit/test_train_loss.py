"""The losses, the batches they are taken over, and that a split batch learns the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_llm import TEXT_IDS, examples, tiny_llm
from voicekit.records import TrainingExample
from voicekit.specs import Full, Lora
from voicekit.train.batches import collate, micro_batches, plan
from voicekit.train.loss import losses_of, masked_ce, masked_kl
from voicekit.train.trainable import attach

CPU = torch.device("cpu")


def test_cross_entropy_of_known_probabilities() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    total, weight = masked_ce(logits, torch.tensor([0, 2]), torch.tensor([2.0, 0.5]))
    assert float(total) == pytest.approx(-2.0 * np.log(0.5) - 0.5 * np.log(0.8), rel=1e-5)
    assert float(weight) == 2.5


def test_kl_of_known_probabilities_and_its_absolute_weights() -> None:
    base = torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1]]))
    adapted = torch.log(torch.tensor([[0.25, 0.75], [0.9, 0.1]]))
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    for scale in (1.0, 0.5):
        total, positions = masked_kl(base, adapted, torch.tensor([scale, scale]))
        assert float(total) == pytest.approx(scale * expected, rel=1e-5)
        assert float(positions) == 2


def test_the_reported_speech_loss_is_of_speech_tokens_outside_replay() -> None:
    ids = np.array([1, 2, 3, TEXT_IDS + 1, TEXT_IDS + 2], np.int64)
    weight = np.array([0, 0, 1, 1, 0], np.float32)
    made = [TrainingExample(ids, weight, np.zeros(5, np.float32), kind) for kind in ("pseudo_masked", "replay")]
    batch = collate(made, CPU, speech_from=TEXT_IDS)
    assert batch.targets.tolist() == [3, TEXT_IDS + 1, 3, TEXT_IDS + 1]
    assert batch.reported.tolist() == [False, True, False, False]
    assert batch.columns.tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize("method", [Lora(rank=4), Full()])
def test_padding_changes_nothing(method: Lora | Full) -> None:
    """A padded batch without attention mask gives what the sequences give one by one."""
    some = examples([9, 17, 30], kl=True)
    trainable = attach(tiny_llm(), method)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        together = losses_of(trainable, collate(some, CPU, TEXT_IDS))
        alone = [losses_of(trainable, collate([e], CPU, TEXT_IDS)) for e in some]
    assert float(together.kl_sum) > 1e-4
    torch.testing.assert_close(together.ce_sum, sum(t.ce_sum for t in alone))
    torch.testing.assert_close(together.kl_sum, sum(t.kl_sum for t in alone))
    assert together.speech_sum == pytest.approx(sum(t.speech_sum for t in alone), rel=1e-5)


def test_logits_at_learned_positions_are_the_models_own() -> None:
    """Against the plain way: all logits of the model, cross-entropy of the shifted targets, weighted."""
    llm = tiny_llm()
    (example,) = examples([23])
    terms = losses_of(attach(llm, Full()), collate([example], CPU))
    logits = llm(input_ids=torch.from_numpy(example.ids)[None]).logits[0, :-1]
    each = torch.nn.functional.cross_entropy(logits, torch.from_numpy(example.ids[1:]), reduction="none")
    expected = (each * torch.from_numpy(example.loss_weight[1:])).sum()
    torch.testing.assert_close(terms.ce_sum, expected)


def test_kl_pulls_towards_the_base_and_is_zero_at_the_base() -> None:
    some = examples([20, 20], kl=True)
    for method in (Lora(rank=4), Full()):
        trainable = attach(tiny_llm(), method)
        assert float(losses_of(trainable, collate(some, CPU)).kl_sum.detach()) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("method", [Lora(rank=4), Full()])
def test_the_base_is_asked_with_its_own_ids(method: Lora | Full) -> None:
    """Held text is compared with what the base says behind other, longer first ids: against the plain way, padded or alone."""
    llm = tiny_llm()
    some = [replace(e, reference_ids=np.concatenate([[3, 1, 4], e.ids[2:]])) for e in examples([12, 21], kl=True)]
    expected = 0.0
    for e in some:
        ours = llm(input_ids=torch.from_numpy(e.ids)[None]).logits[0].log_softmax(-1)
        base = llm(input_ids=torch.from_numpy(e.seen_by_base)[None]).logits[0].log_softmax(-1)
        for t in np.flatnonzero(e.kl_weight[1:]):
            p, q = base[t + 1], ours[t]
            expected += float(e.kl_weight[t + 1] * (p.exp() * (p - q)).sum().detach())
    assert expected > 1e-3
    together = losses_of(attach(llm, method), collate(some, CPU, TEXT_IDS))
    assert float(together.kl_sum.detach()) == pytest.approx(expected, rel=1e-3)


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
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= batch_tokens
    # A shorter run is the same run cut short.
    assert plan(some, batch_tokens, seed, 7) == batches[:7]


def test_a_plan_goes_through_epochs_in_order_and_loses_nothing() -> None:
    """What does not fill a batch comes at most one window (six batches) later."""
    some = [TrainingExample(e.ids, e.loss_weight, e.kl_weight, epoch=i // 30) for i, e in enumerate(examples([10] * 90))]
    batches = plan(some, 50, 0, 24)
    first_seen = {i: step for step in reversed(range(24)) for i in batches[step]}
    assert len(first_seen) == 90
    assert all(6 * some[i].epoch <= step + 1 and step < 6 * (some[i].epoch + 2) for i, step in first_seen.items())
    assert plan(some, 50, 1, 24) != batches


def test_plans_pad_little() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(80, 220, size=120)
    batches = plan(examples(lengths.tolist()), 1500, 0, 40)
    padded = sum(max(lengths[list(b)]) * len(b) for b in batches)
    real = sum(int(lengths[list(b)].sum()) for b in batches)
    assert real / padded > 0.9
    assert real / (40 * 1500) > 0.8


@given(lengths=st.lists(st.integers(2, 60), min_size=1, max_size=20), size=st.integers(0, 150))
def test_micro_batches_are_the_batch_in_pieces(lengths: list[int], size: int) -> None:
    some = examples(lengths)
    pieces = micro_batches(range(len(some)), some, size)
    assert [i for p in pieces for i in p] == list(range(len(some)))
    assert all(not size or len(p) == 1 or max(lengths[i] for i in p) * len(p) <= size for p in pieces)
