"""The worker's side of the process in which a job's steps run: a crash there is a fault with a reason, never a dead worker."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from voicekit.errors import ResourceError, StepCrashed
from voicekit.records import JobFault

DONE, STOPPED, FAILED = "done", "stopped", "failed"
LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class Order:
    """A step to be carried out; `log` is the file for what is printed meanwhile."""

    job: str
    attempt: int
    step: str
    log: str


class StepProcess:
    """One process for many steps, so that models are opened once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C is for the worker, who then ends this process
        )
        _first_to_go(self._process.pid)

    def carry_out(self, order: Order, wanted: Callable[[], bool]) -> tuple[str, JobFault | None]:
        """(outcome, fault) of a step. The process is killed when the job is not wanted any more."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        with suppress(BrokenPipeError):
            pipe_in.write(json.dumps(asdict(order)).encode() + b"\n")
            pipe_in.flush()
        while not select.select([pipe_out], [], [], LOOK_EVERY_S)[0]:
            if not wanted():
                self.kill()
                return STOPPED, None
        line = pipe_out.readline()
        if not line:
            return FAILED, _cause_of_death(self._process.wait(), order.step)
        answer = json.loads(line)
        fault = answer.get("fault")
        return str(answer["outcome"]), None if fault is None else JobFault(**fault)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _cause_of_death(code: int, step: str) -> JobFault:
    if code == -signal.SIGKILL:
        problem = f"The process was killed in the step {step!r}, most likely because memory ran out."
        remedy = "Close other programs, or choose a smaller train.micro_tokens in the recipe, then retry."
        return JobFault(ResourceError.code, problem, remedy)
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return JobFault(StepCrashed.code, f"The process died in the step {step!r} ({how}).", "See the job's log, then retry.")


def _first_to_go(pid: int) -> None:
    """When memory runs out, the system takes the training and not the worker, who then says what happened."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("800")
