"""What the commands share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from voicekit.errors import StepCrashed

if TYPE_CHECKING:
    from voicekit.app import App

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ConsentId = Annotated[
    str, typer.Option("--consent", metavar="ID", help="The speaker's consent (voicekit consents add): publishing needs one.")
]
REFUSED = 4
"""The exit code where the gate refused a voice; a draft is kept."""
_STOPPING_S = 30.0
_DATABASE_AWAY_S = 600.0
_WORKER = (sys.executable, "-m", "voicekit.cli", "worker", "--attached")
_LOOK_EVERY_S = 0.2
# A worker that ends again and again is started less and less often.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
# Whoever lives so long is well; whoever ends so often before that will not be.
_WELL_AFTER_S, _GIVEN_UP_AFTER = 60.0, 5

Say = Callable[[str], None]


def opened(serves: bool = False, waits: bool = False) -> App:
    """`serves`: what this process writes into the home only its owner may read. `waits`: it has work that must not be lost when
    the catalog's database is away for a while."""
    from voicekit.wiring import open_app
    from voicekit.workplace import Patience, make_private

    app = open_app()
    if serves or waits:
        os.umask(make_private(app.home))
    if waits:
        app.wait_for_catalog(Patience(_DATABASE_AWAY_S, _to_stderr))
    return app


class Supervised:
    """A worker beside this process: when it ends unasked, that is said and another takes its place, who goes on with its job."""

    def __init__(self, say: Say, command: Sequence[str]) -> None:
        self._say, self._command = say, command
        self._stopping = threading.Event()
        self._failures = 0
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch, name="voicekit-supervisor", daemon=True)
        self._thread.start()

    @property
    def starting(self) -> bool:
        """Whether it was started a moment ago: it has given no sign of life yet, but will."""
        return not self.failing and self._process.poll() is None and time.monotonic() - self._began_s < _WELL_AFTER_S

    @property
    def failing(self) -> bool:
        """Whether it ended soon after its start several times in a row."""
        return self._failures >= _GIVEN_UP_AFTER

    def stop(self) -> None:
        """Tell it to end; `gone` waits until it has."""
        self._stopping.set()
        self._thread.join()
        self._process.terminate()

    def gone(self) -> None:
        try:
            self._process.wait(_STOPPING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        self._began_s = time.monotonic()
        # Killed or not, this process takes it along: its stdin ends when this one does.
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            code = self._process.poll()
            if code is None:
                self._failures = 0 if time.monotonic() - self._began_s > _WELL_AFTER_S else self._failures
                continue
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**self._failures)
            self._failures += 1
            self._say(f"The worker ended ({_how(code)}). Another is started in {wait_s:.0f} s; its job goes on.")
            if self._stopping.wait(wait_s):
                return
            self._process = self._start()
            self._say("A new worker was started.")


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Crew:
    """Workers beside this process."""

    def __init__(self, count: int, say: Say, command: Sequence[str]) -> None:
        self._workers = [Supervised(say, command) for _ in range(count)]

    @property
    def starting(self) -> bool:
        return any(worker.starting for worker in self._workers)

    def check(self) -> None:
        """Raises StepCrashed if none of them can be kept alive: what they were to do would be waited for in vain."""
        if self._workers and all(worker.failing for worker in self._workers):
            raise StepCrashed(
                "The workers end as soon as they are started.", "See why: voicekit worker. What was finished is kept."
            )

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.gone()


@contextmanager
def workers(count: int, say: Say | None = None, command: Sequence[str] = _WORKER) -> Generator[Crew, None, None]:
    """So many `voicekit worker` processes while the block lasts. What they do not finish is not lost. `say` is told when one
    had to be replaced, else stderr is."""
    crew = Crew(count, say or _to_stderr, command)
    try:
        yield crew
    finally:
        crew.stop()


def _to_stderr(text: str) -> None:
    typer.echo(text, err=True)
