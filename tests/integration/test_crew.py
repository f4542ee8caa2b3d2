"""Workers that another program starts: they are there while it is, and go when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from voicekit.catalog.store import SqlCatalog

PROGRAM = """
import time
from voicekit.commands.common import workers
with workers(1) as crew:
    print("started", flush=True)
    time.sleep(600)
"""

ENDED = """
from voicekit.commands.common import workers
with workers(1):
    input()
"""


def until(true: Callable[[], object], what: str, patience_s: float = 120.0) -> None:
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(0.1)


def test_a_killed_server_takes_its_worker_with_it(voicekit_home: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    catalog = SqlCatalog(f"sqlite:///{voicekit_home / 'catalog.db'}")
    try:
        until(catalog.workers, "a worker in the catalog")
        (worker,) = catalog.workers()
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        until(lambda: not catalog.workers(), "the worker's end")
        assert worker.queue in ("cpu", "gpu")
    finally:
        program.kill()


def test_a_worker_that_is_told_to_stop_says_nothing(voicekit_home: Path) -> None:
    """It used to die of "could not acquire lock for stdin at interpreter shutdown" whenever the studio was closed."""
    program = subprocess.Popen(
        [sys.executable, "-c", ENDED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    catalog = SqlCatalog(f"sqlite:///{voicekit_home / 'catalog.db'}")
    try:
        until(catalog.workers, "a worker in the catalog")
        said, _ = program.communicate(b"\n", timeout=120)
    finally:
        program.kill()
    assert said == b""
    assert program.returncode == 0
    assert not catalog.workers()
