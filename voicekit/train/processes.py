"""One run on several devices: torchrun starts a process for each, this one passes on what the first of them reports.

    torchrun --nproc-per-node 8 [--nnodes 2 ...] -m voicekit.train.processes JOB

is what is started here, for this machine alone; with a folder that all machines see, it can be started by hand on each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn

from voicekit.errors import TrainingError, VoicekitError, error_of
from voicekit.ports import OnProgress, Progress
from voicekit.train import checkpoint

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

JOB = "processes.pt"
MARK = "voicekit: "
GRACE_S = 60.0


class Llm(nn.Module):
    """What the loop needs of a chat model."""

    def __init__(self, llm: nn.Module) -> None:
        super().__init__()
        self.llm = llm


def run(llm: nn.Module, folder: Path, spec: TrainSpec, report: OnProgress, **arguments: Any) -> None:
    """Have `voicekit.train.loop.fit` called in `spec.processes` processes; raises what went wrong in the first that failed."""
    job = folder / JOB
    with checkpoint.storage_errors(job):
        torch.save({"llm": llm, "folder": folder, "spec": spec, **arguments}, job)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={spec.processes}"]
    started = subprocess.Popen(
        [*command, "-m", "voicekit.train.processes", str(job)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    try:
        _listen(started, report)
    finally:
        _end(started)
        job.unlink(missing_ok=True)


def _listen(started: subprocess.Popen[str], report: OnProgress) -> None:
    fault: VoicekitError | None = None
    assert started.stdout is not None
    for line in started.stdout:
        if not line.startswith(MARK):
            sys.stdout.write(line)
            continue
        said = json.loads(line.removeprefix(MARK))
        if "fault" in said:
            fault = fault or error_of(*said["fault"])
        else:
            report(Progress(**said))
    if started.wait() != 0:
        raise fault or TrainingError(
            f"A training process died ({started.returncode}).", "See what was printed above; train.processes = 1 needs no others."
        )


def _end(started: subprocess.Popen[str]) -> None:
    """torchrun ends its processes when it is asked to end; killed, it would leave them behind."""
    if started.poll() is None:
        started.terminate()
        try:
            started.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def _say(content: object) -> None:
    # One write: the lines of several processes share a pipe.
    os.write(sys.stdout.fileno(), f"{MARK}{json.dumps(content)}\n".encode())


def main(arguments: Sequence[str]) -> int:
    """One process of the group, as torchrun starts it."""
    from voicekit.train.loop import fit

    job = torch.load(arguments[0], map_location="cpu", weights_only=False, mmap=True)
    on_gpu = job.pop("on_gpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        fit(Llm(job.pop("llm").to(device)), report=lambda progress: _say(asdict(progress)), **job)
    except VoicekitError as error:
        _say({"fault": [error.code, error.problem, error.remedy]})
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
