"""Where voices are made: one process at a time for a name, and a full disk is a clear error."""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from voicekit.errors import UsageError
from voicekit.storage import enough_room, locked

# An attempt to reach a database that is silent takes up to 20 s.
_LOOK_EVERY_S, _ANOTHER_TIME_S = 1.0, 45.0
AGAIN = "run the same command again: it continues after the last finished step."


@contextmanager
def alone(home: Path, slug: str, wait_s: float = 0.0) -> Generator[None, None, None]:
    """Nobody else makes or removes this voice meanwhile; UsageError if somebody still does after `wait_s`."""
    work = home / "work"
    busy = f"Another process is working on the voice {slug!r} right now."
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The home folder {home} cannot be used: {error.strerror}."
        raise UsageError(problem, "Set VOICEKIT_HOME to a folder of yours.") from None
    with enough_room(home, AGAIN), locked(lock_file(home, slug), busy, "Wait for it, or stop it.", wait_s):
        yield


def lock_file(home: Path, slug: str) -> Path:
    """What `alone` holds. Whoever holds it may delete it: who waits for it then makes a new one."""
    return home / "work" / f"{slug}.lock"


def job_folder(home: Path, job_id: str) -> Path:
    """What the steps of a job make lies here until the voice is registered."""
    return home / "work" / job_id[:16]


def log_file(home: Path, job_id: str) -> Path:
    """What libraries print while a worker carries out a job."""
    return home / "work" / "logs" / f"{job_id[:16]}.log"


class Patience:
    """Waits while a database is away: `Catalog.wait_while_away` takes it. False after `most_s` without an answer, or when `wait`
    (a number of seconds) says that this process is to stop. `say` is told once."""

    def __init__(self, most_s: float, say: Callable[[str], object], wait: Callable[[float], object] = time.sleep) -> None:
        self._most_s, self._say, self._wait = most_s, say, wait
        self._lock = Lock()
        self._began_s, self._last_s = -math.inf, -math.inf
        self.waits = 0
        """How often the database was found away."""

    def __call__(self) -> bool:
        now_s = time.monotonic()
        with self._lock:
            self.waits += 1
            if now_s - self._last_s > _ANOTHER_TIME_S:
                self._began_s = now_s
                self._say("The catalog's database does not answer. Waiting for it; nothing is lost.")
            self._last_s = now_s
            given_up = now_s - self._began_s > self._most_s
        return not given_up and not self._wait(_LOOK_EVERY_S)


def process_runs(pid: int) -> bool:
    """Whether a process of this machine is there, and not only its end that nobody has taken note of."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    state = Path("/proc", str(pid), "stat")
    with suppress(OSError, IndexError):
        return state.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] != "Z"
    return True


def make_private(home: Path) -> int:
    """Only its owner may look into the home, or also its group if that may write there. Returns the umask for what is written."""
    shared = False
    with suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = home.stat()
        shared = bool(found.st_mode & stat.S_IWGRP)
        allowed = stat.S_ISGID | (stat.S_IRWXU | stat.S_IRWXG if shared else stat.S_IRWXU)
        ours = found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX and home not in (Path.home(), Path("/"))
        if ours and stat.S_IMODE(found.st_mode) & ~allowed:
            home.chmod(stat.S_IMODE(found.st_mode) & allowed)
    return 0o007 if shared else 0o077
