"""What the commands share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
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


def opened() -> App:
    from voicekit.wiring import open_app

    return open_app()


class Crew:
    """Workers beside this process."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-m", "voicekit.cli", "worker", "--attached"]
        # Killed or not, this process takes them with it: their stdin ends when it does.
        self._processes = [subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) for _ in range(count)]

    def check(self) -> None:
        """Raises StepCrashed if all of them ended: what they were to do would be waited for in vain."""
        if self._processes and all(process.poll() is not None for process in self._processes):
            raise StepCrashed("The workers ended.", "See why: voicekit worker. What was finished is kept.")

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(_STOPPING_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def workers(count: int) -> Generator[Crew, None, None]:
    """So many `voicekit worker` processes while the block lasts. What they do not finish is not lost."""
    crew = Crew(count)
    try:
        yield crew
    finally:
        crew.stop()
