"""Where voices are made: one process at a time for a name, and a full disk is a clear error."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from voicekit.errors import UsageError
from voicekit.storage import enough_room, locked

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
