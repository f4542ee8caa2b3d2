"""A group that is started from outside, as on several machines: the first process works, the others lend what they have."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_llm import TEXT_IDS, TinyModel
from tests.unit.test_train_variants import LEARNED
from voicekit import __version__
from voicekit.errors import UsageError
from voicekit.ports import TrainOutcome
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.train import loop

SPEC = TrainSpec(method=Lora(rank=4), precision="fp32", steps=2, batch_tokens=120, learning_rate=5e-3, warmup_steps=2)
DEALT = SPEC.model_copy(update={"method": Full(), "learning_rate": 1e-3, "sharded": True})


def fit(folder: Path, spec: TrainSpec) -> TrainOutcome:
    return loop.fit(TinyModel(), LEARNED, spec, folder, lambda _: None, speech_from=TEXT_IDS)


def start(rank: int, port: int, *command: str) -> subprocess.Popen[str]:
    """A machine with one process, as torchrun or a scheduler starts it."""
    group = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, "-m", "voicekit.train.machines", *command],
        env={**os.environ, **group, "PATH": "/usr/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def test_two_machines_have_the_losses_of_one_in_one_run_after_another(tmp_path: Path) -> None:
    program = "\n".join(
        [
            "from tests.unit.test_train_machines import *",
            "fit(Path(sys.argv[1]) / 'lora', SPEC)",
            "fit(Path(sys.argv[1]) / 'dealt', DEALT)",
            "sys.exit(7)",
        ]
    )
    port = free_port()
    machines = [start(rank, port, sys.executable, "-c", program, str(tmp_path)) for rank in (1, 0)]
    try:
        ended = [machine.wait(timeout=500) for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert ended == [0, 7], "the first says what the command said, and lets the other go"
    for name, spec in (("lora", SPEC), ("dealt", DEALT)):
        found, alone = fit(tmp_path / name, spec), fit(tmp_path / "alone" / name, spec)
        assert [loss for _, loss in found.losses] == pytest.approx([loss for _, loss in alone.losses], abs=1e-5)
        assert found.seconds != alone.seconds, "it was trained there, not here"
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == ["adapter", "outcome.json"]


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("voicekit", "--version"), 0, __version__),  # only beside the interpreter: its folder is not in PATH
        (("voicewit", "create"), 2, "There is no program voicewit. "),
        ((), 2, "There is no command to run. "),
    ],
)
def test_the_command_is_found_beside_the_interpreter_or_refused(command: tuple[str, ...], code: int, said: str) -> None:
    port = free_port()
    lender, leader = [start(rank, port, *command) for rank in (1, 0)]
    try:
        told, _ = leader.communicate(timeout=300)
        assert leader.returncode == code and said in told and "Traceback" not in told
        assert lender.wait(timeout=100) == 0
    finally:
        lender.kill()
        leader.kill()


def test_a_group_in_which_nobody_waits_for_work_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="WORLD_SIZE") as told:
        fit(tmp_path, SPEC)
    assert "voicekit.train.machines" in told.value.remedy
