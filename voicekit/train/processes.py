"""One run on several devices: a process for each, of which this one passes on what the first reports.

torchrun starts them here, unless this process is the first of a group that spans machines (voicekit.train.machines): then it
starts the first one alone, and the others start theirs.
"""

from __future__ import annotations

import json
import os
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
from voicekit.train import checkpoint, machines

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

JOB = "processes.pt"
MARK = "voicekit: "


class Llm(nn.Module):
    """What the loop needs of a chat model."""

    def __init__(self, llm: nn.Module) -> None:
        super().__init__()
        self.llm = llm


def are_wanted(spec: TrainSpec) -> bool:
    """Whether a run is for other processes than this one."""
    return spec.processes > 1 or machines.are_there()


def run(llm: nn.Module, folder: Path, spec: TrainSpec, report: OnProgress, **arguments: Any) -> None:
    """Have `voicekit.train.loop.fit` called in `spec.processes` processes, or in those of the group that the environment names;
    raises what went wrong in the first that failed."""
    folder = folder.absolute()
    job = folder / JOB
    with checkpoint.storage_errors(job):
        torch.save({"llm": llm, "folder": folder, "spec": spec, **arguments}, job)
    together, number = machines.are_there(), "0"
    command = [sys.executable]
    if together:
        number = machines.post(str(job))
    else:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={spec.processes}"]
    started = subprocess.Popen(
        [*command, "-m", "voicekit.train.processes", str(job), number],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    try:
        _listen(started, report)
    finally:
        machines.end(started)
        if together:
            machines.post(machines.REST)
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


def _say(content: object) -> None:
    # One write: the lines of several processes share a pipe.
    os.write(sys.stdout.fileno(), f"{MARK}{json.dumps(content)}\n".encode())


def main(arguments: Sequence[str]) -> int:
    """One process of the group: the job's file, and its number among those of the same group."""
    from voicekit.train.loop import fit

    job = torch.load(arguments[0], map_location="cpu", weights_only=False, mmap=True)
    on_gpu = job.pop("on_gpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    store = machines.store(f"training-{arguments[1]}")
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=size)
    # What is dealt out goes to its device in parts.
    llm = job.pop("llm") if job["spec"].sharded else job.pop("llm").to(device)
    try:
        fit(Llm(llm), report=lambda progress: _say(asdict(progress)), **job)
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
