"""Ways to train beside plain LoRA: each keeps what the plain way promises."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_llm import IDS, TEXT_IDS, TinyModel, examples, tiny_llm
from voicekit.ports import Progress, TrainOutcome
from voicekit.specs import Full, HarvestSpec, Lora, TrainSpec
from voicekit.train import loop
from voicekit.train.averaging import Average
from voicekit.train.batches import collate
from voicekit.train.fast_lora import install
from voicekit.train.loss import losses_of
from voicekit.train.stopping import Look, best, is_over
from voicekit.train.trainable import ADAPTER_CONFIG, Trainable, attach, load, merged

pytestmark = pytest.mark.usefixtures("nothing_foreseen")

SPEC = TrainSpec(
    method=Lora(rank=4, dropout=0.1), steps=8, batch_tokens=120, learning_rate=5e-3, warmup_steps=2, checkpoint_every=3
)
LEARNED = examples([15, 20, 25, 30] * 4, kl=True)
HELD_OUT = [replace(e, kind="held-out") for e in examples([18, 22], seed=9, kl=True)]
VARIANTS = [Lora(rank=4, rslora=True), Lora(rank=4, dora=True), Lora(rank=4, audio_embeddings=True)]
IDS_ROW = torch.arange(TEXT_IDS - 6, TEXT_IDS + 12)[None]


class KilledError(Exception):
    """Stands for the process ending between two steps."""


def spec_with(**changes: object) -> TrainSpec:
    return TrainSpec.model_validate(SPEC.model_dump() | changes)


def fit(folder: Path, spec: TrainSpec, stop_after: int = 10**6, snapshots_at: tuple[int, ...] = (4,)) -> TrainOutcome:
    count = 0

    def report(progress: Progress) -> None:
        nonlocal count
        count += 1
        if count >= stop_after:
            raise KilledError

    return loop.fit(TinyModel(), [*LEARNED, *HELD_OUT], spec, folder, report, snapshots_at, speech_from=TEXT_IDS)


def content(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def logits(llm: object) -> torch.Tensor:
    with torch.no_grad():
        return llm(input_ids=IDS_ROW).logits  # type: ignore[operator]


def disturbed(method: Lora) -> Trainable:
    trainable = attach(tiny_llm(), method, TEXT_IDS)
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return trainable


WATCHED = {"held_out_share": 0.1, "evaluate_every": 2, "patience": 2, "max_text_drift": 0.5}
ALL_AT_ONCE = {"ema_decay": 0.9, "gradient_checkpointing": True, **WATCHED}
ALL_OF_FULL = {**ALL_AT_ONCE, "method": Full(), "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("changes", "stop_after"),
    [
        *(({"method": method.model_copy(update={"dropout": 0.1})}, 5) for method in VARIANTS),
        ({"ema_decay": 0.9}, 5),
        ({"gradient_checkpointing": True}, 5),
        (WATCHED, 5),
        *((ALL_AT_ONCE, n) for n in (4, 5, 7)),
        *((ALL_OF_FULL, n) for n in (4, 5, 7)),
    ],
    ids=["rslora", "dora", "audio rows", "ema", "checkpointing", "watched", *["all at once"] * 3, *["all at once, full"] * 3],
)
def test_killed_and_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, changes: dict[str, object], stop_after: int) -> None:
    spec = spec_with(**changes)
    whole = fit(tmp_path / "whole", spec)
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", spec, stop_after)
    resumed = fit(tmp_path / "killed", spec)
    assert resumed.losses == whole.losses
    assert resumed.notes == whole.notes
    assert content(resumed.adapter) == content(whole.adapter)
    assert content(resumed.snapshots[0][1]) == content(whole.snapshots[0][1])
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["adapter", "outcome.json", "snapshots"]


@pytest.mark.parametrize("method", VARIANTS, ids=["rslora", "dora", "audio rows"])
def test_variants_are_saved_loaded_merged_and_taken_off(tmp_path: Path, method: Lora) -> None:
    plain = logits(tiny_llm())
    torch.testing.assert_close(logits(attach(tiny_llm(), method, TEXT_IDS).llm), plain, atol=1e-5, rtol=1e-5)
    trainable = disturbed(method)
    adapted = logits(trainable.llm)
    assert (adapted - plain).abs().max() > 0.01
    trainable.save(tmp_path / "adapter")
    with trainable.reference() as base:
        torch.testing.assert_close(logits(base), plain)
    torch.testing.assert_close(logits(trainable.detach()), plain)
    torch.testing.assert_close(logits(merged(tiny_llm(), tmp_path / "adapter")), adapted, atol=1e-5, rtol=1e-4)
    handle = load(tiny_llm(), tmp_path / "adapter")
    torch.testing.assert_close(logits(handle.llm), adapted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits(handle.detach()), plain)


def test_only_what_is_used_is_written_into_an_adapter(tmp_path: Path) -> None:
    disturbed(Lora(rank=4)).save(tmp_path / "plain")
    disturbed(Lora(rank=4, dora=True)).save(tmp_path / "dora")
    plain, dora = (json.loads((tmp_path / name / ADAPTER_CONFIG).read_text()) for name in ("plain", "dora"))
    assert dora == plain | {"use_dora": True}


def test_rslora_scales_by_the_root_of_the_rank() -> None:
    """At rank 4 that is as a twice larger alpha."""
    same = Lora(rank=4, alpha=64.0)
    torch.testing.assert_close(logits(disturbed(Lora(rank=4, alpha=32.0, rslora=True)).llm), logits(disturbed(same).llm))


def test_of_the_embeddings_the_speech_rows_alone_are_trained() -> None:
    trainable = attach(tiny_llm(), VARIANTS[2], TEXT_IDS)
    assert trainable.count() - attach(tiny_llm(), Lora(rank=4)).count() == (IDS - TEXT_IDS) * 32
    expected = losses_and_gradients(trainable)
    fast = attach(tiny_llm(), VARIANTS[2], TEXT_IDS)
    install(fast.llm, torch.float32)
    torch.testing.assert_close(losses_and_gradients(fast), expected, atol=1e-6, rtol=1e-4)


def losses_and_gradients(trainable: Trainable) -> torch.Tensor:
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    batch = collate(examples([20, 27], kl=True), torch.device("cpu"), TEXT_IDS)
    assert batch is not None
    terms = losses_of(trainable, batch, 0.1, 0.1)
    terms.loss.backward()
    flat = [p.grad.flatten() for p in trainable.parameters() if p.grad is not None]
    assert len(flat) == len(trainable.parameters())
    return torch.cat([terms.loss.detach()[None], *flat])


def test_gradient_checkpointing_and_pieces_change_only_how_it_is_carried_out(tmp_path: Path) -> None:
    """Same losses, and a run begun one way goes on the other way."""
    spec = spec_with(method=Lora(rank=4))
    whole = fit(tmp_path / "whole", spec)
    other = spec.model_copy(update={"gradient_checkpointing": True, "micro_tokens": 40})
    with pytest.raises(KilledError):
        fit(tmp_path / "changed", spec, stop_after=4)
    changed = fit(tmp_path / "changed", other)
    assert [loss for _, loss in changed.losses] == pytest.approx([loss for _, loss in whole.losses], rel=1e-4)


def test_the_average_is_that_of_its_definition_and_is_what_is_delivered(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = Average([weight], 0.5)
    values = [1.0]
    for step, value in enumerate([3.0, 5.0, 9.0], start=1):
        weight.data = torch.tensor([value])
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        values.append(decay * values[-1] + (1 - decay) * value)
    with average.in_place():
        assert weight.tolist() == pytest.approx([values[-1]])
    assert weight.tolist() == [9.0]
    plain, averaged = fit(tmp_path / "plain", SPEC), fit(tmp_path / "averaged", spec_with(ema_decay=0.99))
    assert averaged.losses == plain.losses
    assert content(averaged.adapter) != content(plain.adapter)


def test_which_look_is_best_and_when_it_is_over() -> None:
    looks = [Look(1, 3.0, 0.0), Look(2, 2.0, 0.1), Look(3, 1.0, 0.9), Look(4, 2.5, 0.2)]
    assert best(looks, 0.0).step == 3
    assert best(looks, 0.5).step == 2
    assert best(looks[2:], 0.05).step == 4
    assert [is_over(looks[:n], 2, 0.5) for n in range(5)] == [False, False, False, False, True]
    assert not is_over(looks, 0, 0.5) and not is_over(looks, 2, 0.0)


def test_a_run_that_only_drifts_ends_early_with_the_state_before(tmp_path: Path) -> None:
    """A rate of learning that throws the text over: later looks are worse, so the first is delivered and training ends."""
    changes = {"method": Lora(rank=4), "learning_rate": 0.2, "warmup_steps": 0, "steps": 40, "text_kl": 0.0}
    spec = spec_with(**changes, **WATCHED | {"max_text_drift": 1e-4})
    outcome = fit(tmp_path / "run", spec, snapshots_at=tuple(range(2, 40, 2)))
    assert outcome.steps == outcome.notes["best_step"] + 4 < 40
    assert content(outcome.adapter) == content(dict(outcome.snapshots)[int(outcome.notes["best_step"])])
    assert len({tuple(content(folder)) for _, folder in outcome.snapshots}) == len(outcome.snapshots) > 2


def test_a_loaded_adapter_has_no_dropout(tmp_path: Path) -> None:
    disturbed(Lora(rank=4, dropout=0.5)).save(tmp_path / "adapter")
    llm = load(tiny_llm(), tmp_path / "adapter").llm
    assert torch.equal(logits(llm), logits(llm))


def test_the_kept_state_has_the_loss_that_was_seen(tmp_path: Path) -> None:
    outcome = fit(tmp_path / "run", spec_with(**WATCHED, ema_decay=0.5))
    handle = load(tiny_llm(), outcome.adapter)
    llm = handle.llm
    total = count = 0.0
    for example in HELD_OUT:
        with torch.no_grad():
            log_q = llm(input_ids=torch.from_numpy(example.ids)[None]).logits[0, :-1].log_softmax(-1)
        for place in range(1, len(example.ids)):
            if example.loss_weight[place] > 0 and example.ids[place] >= TEXT_IDS:
                total -= float(log_q[place - 1, int(example.ids[place])])
                count += 1
    assert total / count == pytest.approx(outcome.notes["held_out_loss"], rel=1e-3)
    assert outcome.losses[-1][1] > 0


@pytest.mark.parametrize(
    "wrong", [{"patience": 2}, {"evaluate_every": 5}, {"max_text_drift": 0.1}, {"ema_decay": 1.0}, {"processes": 0}]
)
def test_settings_that_could_do_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainSpec.model_validate(wrong)


def test_recipes_that_name_nothing_new_keep_their_digest() -> None:
    """The digests of version 0.4.0, of what was the default then."""
    harvest = HarvestSpec(rounds_at=(60, 90, 120), steps=120)
    then: dict[str, Any] = {"steps": 140, "batch_tokens": 1500, "decoder_steps": 150, "harvest": harvest}
    assert TrainSpec(**then).digest() == "40bcf4ea183c72aeff82b7228ac62da840b6945edc7ee81a9da3393198986984"
    assert TrainSpec(method=Full(), **then).digest() == "f83d9ffc17a96b5be63e08c990be1c0a62ec183eb825642eb369c04d99366a84"
    changed = [{"ema_decay": 0.9}, {"method": Lora(dora=True)}, {"processes": 2}, {"sharded": True}]
    assert len({TrainSpec.model_validate(c).digest() for c in [{}, *changed]}) == 5
    again = TrainSpec.model_validate_json(TrainSpec(ema_decay=0.9, method=Lora(dora=True)).model_dump_json())
    assert again == TrainSpec(ema_decay=0.9, method=Lora(dora=True))
