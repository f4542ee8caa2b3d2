"""Numbers go live to whoever reports, to TensorBoard where it is installed, to W&B only where it is set up."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.tiny_llm import TEXT_IDS, TinyModel, examples
from voicekit.ports import Progress
from voicekit.specs import Lora, TrainSpec
from voicekit.train import loop, metrics

pytestmark = pytest.mark.usefixtures("nothing_foreseen")
SPEC = TrainSpec(method=Lora(rank=4), steps=3, batch_tokens=80, learning_rate=5e-3, warmup_steps=2)


def run(folder: Path) -> list[Progress]:
    told: list[Progress] = []
    loop.fit(TinyModel(), examples([20] * 8, kl=True), SPEC, folder, told.append, speech_from=TEXT_IDS)
    return told


class Board:
    """Stands for torch.utils.tensorboard, which needs a package that is an extra."""

    def __init__(self, patch: pytest.MonkeyPatch, fails: bool = False) -> None:
        self.folders: list[str] = []
        self.scalars: dict[tuple[str, int], float] = {}
        self.closed = 0
        self.fails = fails
        module = ModuleType("torch.utils.tensorboard")
        module.SummaryWriter = self.open  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "torch.utils.tensorboard", module)

    def open(self, folder: str) -> "Board":
        self.folders.append(folder)
        return self

    def add_scalar(self, name: str, value: float, step: int) -> None:
        if self.fails:
            raise OSError("No space left on device")
        self.scalars[name, step] = value

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed += 1


def installed(patch: pytest.MonkeyPatch, *names: str) -> None:
    patch.setattr(metrics, "find_spec", lambda name: object() if name in names else None)


def wandb(patch: pytest.MonkeyPatch) -> list[Any]:
    said: list[Any] = []
    begun = SimpleNamespace(log=lambda numbers, step: said.append((step, numbers)), finish=lambda: said.append("finish"))
    module = ModuleType("wandb")
    module.init = lambda **given: said.append(given) or begun  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "wandb", module)
    return said


def test_every_step_reports_its_numbers(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert [p.values["step"] for p in told] == [1, 2, 3]
    for progress in told:
        assert {"loss", "speech_loss", "kl", "grad_norm", "learning_rate", "tokens_per_s", "seconds_left"} <= set(progress.values)
        assert progress.values["tokens_per_s"] > 0
    assert told[0].values["learning_rate"] == pytest.approx(loop.learning_rate(0, 3, SPEC))
    assert told[-1].values["seconds_left"] == 0


def test_tensorboard_files_lie_beside_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "tensorboard")
    board = Board(monkeypatch)
    told = run(tmp_path)
    assert board.folders == [str(tmp_path / "tensorboard")] and board.closed == 1
    for progress in told:
        step = int(progress.values["step"])
        for name in ("speech_loss", "kl", "learning_rate", "tokens_per_s"):
            assert board.scalars[f"train/{name}", step] == progress.values[name]


def test_a_sink_that_fails_does_not_cost_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed(monkeypatch, "tensorboard")
    Board(monkeypatch, fails=True)
    assert len(run(tmp_path)) == 3 and (tmp_path / "adapter").is_dir()
    assert caplog.text.count("TensorBoard") == 1, "said once, not every step"


@pytest.mark.parametrize(
    ("project", "key", "packages"), [("", "k", ("wandb",)), ("p", "", ("wandb",)), ("", "", ("wandb",)), ("p", "k", ())]
)
def test_wandb_is_left_alone_unless_it_is_wholly_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str, key: str, packages: tuple[str, ...]
) -> None:
    said = wandb(monkeypatch)
    installed(monkeypatch, *packages)
    monkeypatch.setenv("WANDB_PROJECT", project)
    monkeypatch.setenv("WANDB_API_KEY", key)
    run(tmp_path)
    assert said == []


def test_wandb_gets_the_same_numbers_when_it_is_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = wandb(monkeypatch)
    installed(monkeypatch, "wandb")
    monkeypatch.setenv("WANDB_PROJECT", "voices")
    monkeypatch.setenv("WANDB_API_KEY", "k")
    told = run(tmp_path)
    begun, *logged, end = said
    assert begun["project"] == "voices" and begun["resume"] == "allow" and begun["config"]["steps"] == 3
    assert [step for step, _ in logged] == [1, 2, 3] and end == "finish"
    assert [n["speech_loss"] for _, n in logged] == [p.values["speech_loss"] for p in told]
