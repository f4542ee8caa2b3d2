"""Two processes learn what one does."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.tiny_llm import TEXT_IDS, TinyModel, weights
from tests.unit.test_train_variants import HELD_OUT, LEARNED, WATCHED
from voicekit.errors import TrainingError
from voicekit.ports import Progress, TrainOutcome
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.train import loop
from voicekit.train.trainable import ADAPTER_FILE, FULL_FILE

SPEC = TrainSpec(
    method=Lora(rank=4), precision="fp32", steps=6, batch_tokens=120, learning_rate=5e-3, warmup_steps=2, checkpoint_every=3
)


def fit(folder: Path, spec: TrainSpec, events: list[Progress] | None = None) -> TrainOutcome:
    model = TinyModel()
    before = weights(model.llm)
    report = (events if events is not None else []).append
    outcome = loop.fit(model, [*LEARNED, *HELD_OUT], spec, folder, report, (4,), speech_from=TEXT_IDS)
    assert all((before[name] == value).all() for name, value in weights(model.llm).items())
    return outcome


def seen(outcome: TrainOutcome) -> dict[str, float]:
    """What the run's notes say of the model; the memory that a process takes is another one for each way to share."""
    return {name: value for name, value in outcome.notes.items() if not name.endswith("_mb")}


@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
@pytest.mark.parametrize("method", [Lora(rank=4), Full()], ids=["lora", "full"])
def test_two_processes_have_the_losses_of_one_within_1e_5(tmp_path: Path, method: Lora | Full, sharded: bool) -> None:
    """All of it at once: pieces, KL, averaged weights, looks at held-out examples. Some steps have fewer examples than
    processes."""
    rate = 5e-3 if method.kind == "lora" else 1e-3
    changes = {"method": method, "learning_rate": rate, "micro_tokens": 40, "ema_decay": 0.9, **WATCHED, "patience": 0}
    spec = TrainSpec.model_validate(SPEC.model_dump() | changes | {"batch_tokens": 60})
    one, events = fit(tmp_path / "one", spec), list[Progress]()
    two = fit(tmp_path / "two", spec.model_copy(update={"processes": 2, "sharded": sharded}), events)
    assert [loss for _, loss in two.losses] == pytest.approx([loss for _, loss in one.losses], abs=1e-5)
    assert seen(two) == pytest.approx(seen(one), abs=1e-5)
    assert two.notes["pass_measured_mb"] == pytest.approx(two.notes["pass_foreseen_mb"], rel=0.15)
    assert [e.values["step"] for e in events] == [1, 2, 3, 4, 5, 6]
    name = ADAPTER_FILE if method.kind == "lora" else FULL_FILE
    for ours, theirs in ((one.adapter, two.adapter), (one.snapshots[0][1], two.snapshots[0][1])):
        expected, found = load_file(ours / name), load_file(theirs / name)
        assert max(float((expected[key] - found[key]).abs().max()) for key in expected) < 1e-3
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["adapter", "outcome.json", "snapshots"]


def test_what_goes_wrong_in_a_process_is_said_as_in_one(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"method": Full(), "learning_rate": 1e30, "warmup_steps": 0, "processes": 2})
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(tmp_path / "run", spec)
    assert not (tmp_path / "run" / "adapter").exists()


class StoppedError(Exception):
    """Stands for the first process ending between two steps."""


class Stopping(list[Progress]):
    def append(self, progress: Progress) -> None:
        if progress.values["step"] == 4:
            raise StoppedError


def test_stopped_and_run_again_with_other_processes_it_goes_on(tmp_path: Path) -> None:
    """Stopped in a group of two, it goes on alone to the same losses."""
    whole = fit(tmp_path / "whole", SPEC)
    with pytest.raises(StoppedError):
        fit(tmp_path / "run", SPEC.model_copy(update={"processes": 2}), Stopping())
    resumed = fit(tmp_path / "run", SPEC)
    assert [loss for _, loss in resumed.losses] == pytest.approx([loss for _, loss in whole.losses], abs=1e-5)


def test_a_sharded_run_goes_on_bit_for_bit_and_alone_to_the_same_losses(tmp_path: Path) -> None:
    """Its checkpoint is that of one process: weights, moments and averages are whole in it."""
    changes = {"method": Full(), "learning_rate": 1e-3, "ema_decay": 0.9, "sharded": True, "processes": 2}
    spec = TrainSpec.model_validate(SPEC.model_dump() | changes)
    whole = fit(tmp_path / "whole", spec)
    with pytest.raises(StoppedError):
        fit(tmp_path / "run", spec, Stopping())
    shutil.copytree(tmp_path / "run", tmp_path / "alone")
    resumed = fit(tmp_path / "run", spec)
    assert resumed.losses == whole.losses
    assert (resumed.adapter / FULL_FILE).read_bytes() == (whole.adapter / FULL_FILE).read_bytes()
    alone = fit(tmp_path / "alone", spec.model_copy(update={"processes": 1}))
    assert [loss for _, loss in alone.losses] == pytest.approx([loss for _, loss in whole.losses], abs=1e-5)
