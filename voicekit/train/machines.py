"""A group that is started from outside, on several machines: by torchrun, or by whatever else sets its variables.

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint FIRST:29500 \\
        -m voicekit.train.machines voicekit create NAME RECORDINGS --recipe RECIPE.toml

typed on each machine. The first process runs the command, all others lend their devices: wherever it trains, they join. The
variables are RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. All machines see the command's folders under one path.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import PrefixStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous

from voicekit.errors import UsageError

# torch's own name for "somebody else holds the store": our first process, or torchrun's.
HELD = "TORCHELASTIC_USE_AGENT_STORE"
MARK = "VOICEKIT_MACHINES"
REST, LEAVE = "", "leave"
GRACE_S = 60.0
FOREVER = timedelta(days=365)


def are_there() -> bool:
    """Whether the environment names a group of several processes."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


def store(name: str = "voicekit") -> Any:
    """Where the processes of the group that the environment names leave word for each other, under `name`.

    Whoever is asked first in process 0 holds it, and all wait for all; afterwards (`HELD`) everybody visits.
    """
    held, _, _ = next(iter(rendezvous("env://")))
    return PrefixStore(name, held)


def post(what: str) -> str:
    """Tell all who lend their devices: the job to train, REST or LEAVE; returns its number, as a name."""
    if MARK not in os.environ:
        raise UsageError(
            f"The environment names a group of {os.environ['WORLD_SIZE']} processes (WORLD_SIZE), but they do not wait for work.",
            "Start the command on each machine as `torchrun ... -m voicekit.train.machines COMMAND`, or unset WORLD_SIZE.",
        )
    return _post(store(), what)


def _post(place: Any, what: str) -> str:
    number = place.add("posts", 1)
    place.set(f"post-{number}", what)
    return str(number)


def end(started: subprocess.Popen[Any]) -> None:
    """End a process that leads a session of its own; torchrun ends those it started when it is asked to, killed it would not."""
    if started.poll() is None:
        started.terminate()
        try:
            started.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def lend(place: Any) -> int:
    """Train what is posted, one job after the other, until LEAVE."""
    child = None
    try:
        for number in itertools.count(1):
            place.wait([f"post-{number}"], FOREVER)
            what = place.get(f"post-{number}").decode()
            if child is not None:
                end(child)
            if what == LEAVE:
                break
            if what != REST:
                command = [sys.executable, "-m", "voicekit.train.processes", what, str(number)]
                child = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
    finally:
        if child is not None:
            end(child)
    place.add("left", 1)
    return 0


def lead(place: Any, command: Sequence[str]) -> int:
    """Run a command that has the group's devices to train on."""
    running = None
    try:
        running = subprocess.Popen([_program(command), *command[1:]])
        return running.wait()
    except UsageError as error:
        print(f"{error.problem} {error.remedy}", file=sys.stderr)
        return error.exit_code
    finally:
        if running is not None and running.poll() is None:
            running.terminate()
            running.wait()
        _post(place, LEAVE)
        # This process may hold the store: it stays until the others have read that they may leave.
        deadline = time.monotonic() + GRACE_S
        while place.add("left", 0) < int(os.environ["WORLD_SIZE"]) - 1 and time.monotonic() < deadline:
            time.sleep(0.1)


def _program(command: Sequence[str]) -> str:
    """The command's program, also where only this interpreter's own folder has it."""
    if not command:
        raise UsageError("There is no command to run.", "Name one: -m voicekit.train.machines voicekit create ...")
    places = [*os.get_exec_path(), str(Path(sys.executable).parent)]
    found = shutil.which(command[0], path=os.pathsep.join(places))
    if found is None:
        raise UsageError(f"There is no program {command[0]}.", "Give its path, or add its folder to PATH.")
    return found


def main(command: Sequence[str]) -> int:
    # Asked to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    place = store()
    os.environ |= {HELD: "True", MARK: "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return lead(place, command) if os.environ["RANK"] == "0" else lend(place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
