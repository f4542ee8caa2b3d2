"""When memory runs out: smaller pieces, the same result, and people are told; never a run that ends without a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from tests.tiny_llm import TEXT_IDS, TinyModel, examples
from voicekit.errors import ResourceError
from voicekit.ports import Forecast, Progress, TrainOutcome
from voicekit.records import TrainingExample
from voicekit.specs import Lora, TrainSpec
from voicekit.train import fits, loop, room, trainable
from voicekit.train.batches import Batch

SPEC = TrainSpec(method=Lora(rank=4), steps=6, batch_tokens=150, learning_rate=5e-3, warmup_steps=2, precision="fp32")
EXAMPLES = examples([18, 20, 25, 22] * 6, kl=True)
NOTHING = Forecast(0, 0, 0, 0, 0, 0, 20, 0.0)
OUT_OF_MEMORY = (
    lambda: torch.empty(2**60),  # what torch's CPU allocator says
    lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory.")),
    lambda: (_ for _ in ()).throw(MemoryError),
)


def fit(folder: Path, spec: TrainSpec = SPEC, report: Callable[[Progress], None] = lambda _: None) -> TrainOutcome:
    return loop.fit(TinyModel(), EXAMPLES, spec, folder, report, speech_from=TEXT_IDS)


def small_machine(patch: pytest.MonkeyPatch, ids: int, fail: Callable[[], object], where: Any = loop) -> list[int]:
    """From now on a pass over more than `ids` ids runs out of memory; the sizes of the passes that were tried."""
    real, tried = where.losses_of, list[int]()

    def losses_of(owner: trainable.Trainable, batch: Batch, *scales: float) -> Any:
        if not isinstance(owner.llm.lm_head.weight, FakeTensor):
            tried.append(batch.ids.numel())
            if tried[-1] > ids:
                fail()
        return real(owner, batch, *scales)

    patch.setattr(where, "losses_of", losses_of)
    return tried


@pytest.mark.parametrize("fail", OUT_OF_MEMORY)
def test_memory_that_runs_out_makes_the_pieces_smaller_and_the_result_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[[], object]
) -> None:
    whole = fit(tmp_path / "whole")
    told: list[str] = []
    with monkeypatch.context() as patch:
        tried = small_machine(patch, 60, fail)
        pieces = fit(tmp_path / "pieces", report=lambda p: told.append(p.message))
    assert max(tried) > 60
    assert [loss for _, loss in pieces.losses] == pytest.approx([loss for _, loss in whole.losses], rel=1e-4)
    one, other = (trainable.load_file(o.adapter / trainable.ADAPTER_FILE) for o in (whole, pieces))
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=2e-4, rtol=2e-3)
    assert whole.notes["memory_retries"] == 0 and pieces.notes["memory_retries"] >= 1
    assert pieces.notes["micro_tokens"] <= 80
    assert [bool(m) for m in told].count(True) == 1 and "the result stays the same" in next(m for m in told if m)
    assert sum(size > 60 for size in tried) == pieces.notes["memory_retries"], "what did not fit once is not tried again"


def test_a_step_tried_again_draws_the_random_numbers_it_drew_before(tmp_path: Path) -> None:
    some = examples([10, 10])
    work = fits.work_of([(0, 1)], some, 0)
    place = room.Room(fits.Fit(work, NOTHING, 0), some, SPEC.model_copy(update={"micro_tokens": 0}), tmp_path)
    drawn: list[float] = []

    def learn(pieces: list[list[TrainingExample]]) -> float:
        drawn.append(float(torch.rand(())))
        if len(pieces) == 1:
            raise MemoryError
        return drawn[-1]

    assert place.learning(some, learn, torch.device("cpu")) == drawn[0] == drawn[1] and len(drawn) == 2


def test_the_probe_finds_out_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        probes = small_machine(patch, 60, OUT_OF_MEMORY[1], fits)
        steps = small_machine(patch, 10**9, OUT_OF_MEMORY[1], loop)
        outcome = fit(tmp_path)
    assert probes[0] > 60 >= probes[-1]
    assert max(steps) <= outcome.notes["micro_tokens"] < probes[0], "the steps do not meet it"
    assert outcome.notes["memory_retries"] >= 1 and outcome.adapter.is_dir()


def test_a_run_that_goes_on_keeps_the_pieces_it_came_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPEC.model_copy(update={"checkpoint_every": 2})

    class KilledError(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.fraction > 0.6:
            raise KilledError

    with monkeypatch.context() as patch:
        small_machine(patch, 60, OUT_OF_MEMORY[1])
        with pytest.raises(KilledError):
            fit(tmp_path, spec, kill)
        tried = small_machine(patch, 60, OUT_OF_MEMORY[1])
        outcome = fit(tmp_path, spec)
    assert max(tried) <= 60
    assert outcome.notes["memory_retries"] == 0 and outcome.notes["micro_tokens"] <= 80


def test_one_example_that_does_not_fit_is_an_error_and_nothing_is_called_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        small_machine(patch, 5, OUT_OF_MEMORY[1])
        with pytest.raises(ResourceError, match="one example at a time") as told:
            fit(tmp_path)
    assert "rank" in told.value.remedy
    assert not (tmp_path / "adapter").exists() and not (tmp_path / "outcome.json").exists()
    assert fit(tmp_path).adapter.is_dir(), "with memory again it is finished"


def test_what_cannot_fit_is_refused_before_anything_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "free_bytes", lambda _: 1000.0)
    with pytest.raises(ResourceError, match="beside the base model"):
        fit(tmp_path / "run")
    assert not (tmp_path / "run" / "adapter").exists()


def test_other_errors_are_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    small_machine(monkeypatch, 60, fail)
    with pytest.raises(RuntimeError, match="mat1"):
        fit(tmp_path)


def test_the_outcome_says_what_was_foreseen_and_what_was_taken(tmp_path: Path) -> None:
    notes = fit(tmp_path).notes
    assert notes["pass_measured_mb"] == pytest.approx(notes["pass_foreseen_mb"], rel=0.10)
    assert notes["memory_foreseen_mb"] > notes["pass_foreseen_mb"] > 0
