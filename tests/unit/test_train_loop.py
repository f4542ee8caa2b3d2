"""The loop's promises: it learns, it repeats itself, it survives being killed, it says what went wrong."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.tiny_llm import TEXT_IDS, TinyModel, examples, weights
from voicekit.errors import ResourceError, TrainingError, UsageError
from voicekit.ports import Progress, TrainOutcome, so_far
from voicekit.records import TrainingExample
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.train import loop, trainable

pytestmark = pytest.mark.usefixtures("nothing_foreseen")

SPEC = TrainSpec(
    method=Lora(rank=4, dropout=0.1), steps=8, batch_tokens=120, learning_rate=5e-3, warmup_steps=2, checkpoint_every=3
)
EXAMPLES = examples([15, 20, 25, 30] * 4, kl=True)


class KilledError(Exception):
    """Stands for the process ending between two steps."""


def fit(folder: Path, spec: TrainSpec = SPEC, stop_after: int = 10**6, **more: object) -> TrainOutcome:
    count = 0

    def report(progress: Progress) -> None:
        nonlocal count
        count += 1
        if count >= stop_after:
            raise KilledError

    return loop.fit(TinyModel(), EXAMPLES, spec, folder, report, speech_from=TEXT_IDS, **more)  # type: ignore[arg-type]


def content(folder: Path) -> bytes:
    return (folder / trainable.ADAPTER_FILE).read_bytes()


def test_it_learns_and_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = TinyModel()
    before = weights(model.llm)
    spec = SPEC.model_copy(update={"steps": 30})
    outcome = loop.fit(model, EXAMPLES, spec, tmp_path / "run", lambda _: None, speech_from=TEXT_IDS)
    assert outcome.losses[-1][1] < outcome.losses[0][1] - 0.3
    assert [step for step, _ in outcome.losses] == list(range(1, 31))
    assert outcome.adapter.is_dir() and outcome.steps == 30 and outcome.trainable_parameters > 0
    after = weights(model.llm)
    assert after.keys() == before.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not model.llm.training


@pytest.mark.parametrize("stop_after", [1, 4, 6, 7])
def test_killed_and_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, stop_after: int) -> None:
    whole = fit(tmp_path / "whole", snapshots_at=(2, 5))
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", stop_after=stop_after, snapshots_at=(2, 5))
    torch.manual_seed(123)
    steps: list[float] = []
    resumed = loop.fit(
        TinyModel(), EXAMPLES, SPEC, tmp_path / "killed", lambda p: steps.append(p.fraction), (2, 5), speech_from=TEXT_IDS
    )
    assert len(steps) == 8 - stop_after // 3 * 3
    assert resumed.losses == whole.losses
    assert content(resumed.adapter) == content(whole.adapter)
    for (_, one), (_, other) in zip(resumed.snapshots, whole.snapshots, strict=True):
        assert content(one) == content(other)


def test_full_fine_tuning_resumes_too(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"method": Full(), "learning_rate": 1e-3})
    whole = fit(tmp_path / "whole", spec)
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", spec, stop_after=4)
    resumed = fit(tmp_path / "killed", spec)
    assert (resumed.adapter / trainable.FULL_FILE).read_bytes() == (whole.adapter / trainable.FULL_FILE).read_bytes()


def test_same_seed_same_adapter_and_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one = fit(tmp_path / "one")
    TinyModel()
    torch.manual_seed(1)
    two = fit(tmp_path / "two")
    other = fit(tmp_path / "other", SPEC.model_copy(update={"seed": 1}))
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), expected)
    assert content(one.adapter) == content(two.adapter)
    assert content(one.adapter) != content(other.adapter)
    assert (one.adapter / trainable.ADAPTER_CONFIG).read_text() == (two.adapter / trainable.ADAPTER_CONFIG).read_text()


def test_micro_batches_equal_one_batch(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"method": Lora(rank=4), "precision": "fp32"})
    whole = fit(tmp_path / "whole", spec)
    pieces = fit(tmp_path / "pieces", spec.model_copy(update={"micro_tokens": 31}))
    assert [loss for _, loss in pieces.losses] == pytest.approx([loss for _, loss in whole.losses], rel=1e-4)
    one, other = (trainable.load_file(o.adapter / trainable.ADAPTER_FILE) for o in (whole, pieces))
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=2e-4, rtol=2e-3)


def test_a_finished_folder_returns_at_once_with_the_same_outcome(tmp_path: Path) -> None:
    first = fit(tmp_path, snapshots_at=(4,))
    again = fit(tmp_path, stop_after=1, snapshots_at=(4,))
    assert again == first
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_folder_of_another_run_is_refused_not_restarted(tmp_path: Path) -> None:
    fit(tmp_path / "done")
    with pytest.raises(KilledError):
        fit(tmp_path / "unfinished", stop_after=4)
    for name in ("done", "unfinished"):
        with pytest.raises(UsageError, match="another training run"):
            fit(tmp_path / name, SPEC.model_copy(update={"learning_rate": 1e-4}))


def test_a_damaged_checkpoint_is_an_error_not_a_restart(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        fit(tmp_path, stop_after=4)
    (tmp_path / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(TrainingError, match="cannot be read"):
        fit(tmp_path)


def test_a_lost_adapter_is_made_again(tmp_path: Path) -> None:
    first = fit(tmp_path)
    expected = content(first.adapter)
    (first.adapter / trainable.ADAPTER_FILE).unlink()
    first.adapter.joinpath(trainable.ADAPTER_CONFIG).unlink()
    first.adapter.rmdir()
    assert content(fit(tmp_path).adapter) == expected


def test_diverging_is_said_with_advice_and_leaves_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(tmp_path, SPEC.model_copy(update={"method": Full(), "learning_rate": 1e30, "warmup_steps": 0}))
    assert not (tmp_path / "adapter").exists()


def test_nothing_to_learn_is_an_error(tmp_path: Path) -> None:
    empty = [TrainingExample(e.ids, 0 * e.loss_weight, 0 * e.kl_weight) for e in EXAMPLES]
    for some in ([], empty):
        with pytest.raises(TrainingError, match="No token"):
            loop.fit(TinyModel(), some, SPEC, tmp_path / "run", lambda _: None)


def test_out_of_memory_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        torch.empty(2**60)

    monkeypatch.setattr(loop, "losses_of", no_memory)
    with pytest.raises(ResourceError, match="one example at a time"):
        fit(tmp_path)


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("checkpoint_every", [3, 100])
def test_a_full_disk_is_a_resource_error_and_the_run_goes_on_later(tmp_path: Path, checkpoint_every: int) -> None:
    """Both in a checkpoint and in the adapter; a limit on file size stands for the full disk."""
    spec = SPEC.model_copy(update={"checkpoint_every": checkpoint_every})
    with largest_file(3000), pytest.raises(ResourceError, match="disk is full"):
        fit(tmp_path / "run", spec)
    assert not (tmp_path / "run" / "adapter").exists()
    assert content(fit(tmp_path / "run", spec).adapter) == content(fit(tmp_path / "other", spec).adapter)


KILLED_RUN = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.unit.test_train_loop import *
import os, signal
def report(progress):
    if progress.fraction > 0.55:
        os.kill(os.getpid(), signal.SIGKILL)
loop.fit(TinyModel(), EXAMPLES, SPEC, Path({folder!r}), report, speech_from=TEXT_IDS)
"""


def test_a_process_really_killed_goes_on(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    script = KILLED_RUN.format(root=root, folder=str(tmp_path / "killed"))
    ended = subprocess.run([sys.executable, "-c", script], cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert ended.returncode == -9
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    assert fit(tmp_path / "killed").losses == fit(tmp_path / "whole").losses


def test_learning_rate_warms_up_and_ends_near_zero() -> None:
    spec = TrainSpec(learning_rate=1.0, warmup_steps=10)
    rates = [loop.learning_rate(step, 100, spec) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_the_adapter_so_far_is_there_when_its_step_is_reported_and_listening_changes_nothing(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"sample_every": 3})
    seen: list[tuple[int, list[str]]] = []

    def listen(progress: Progress) -> None:
        torch.rand(7)  # who listens draws random numbers
        folder = so_far(tmp_path / "heard", int(progress.values["step"]))
        if folder.is_dir():
            seen.append((int(progress.values["step"]), sorted(p.name for p in folder.iterdir())))

    heard = loop.fit(TinyModel(), EXAMPLES, spec, tmp_path / "heard", listen, speech_from=TEXT_IDS)
    plain = fit(tmp_path / "plain")
    assert seen == [(step, sorted([trainable.ADAPTER_FILE, trainable.ADAPTER_CONFIG])) for step in (3, 6)]
    assert heard.losses == plain.losses and content(heard.adapter) == content(plain.adapter)
    assert not so_far(tmp_path / "heard", 6).parent.exists()
