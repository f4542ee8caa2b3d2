"""What the commands share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from voicekit.app import App

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
_STOPPING_S = 10.0


def opened() -> App:
    from voicekit.wiring import open_app

    return open_app()


@contextmanager
def workers(count: int) -> Generator[None, None, None]:
    """So many `voicekit worker` processes beside this one, while the block lasts. What they do not finish is not lost."""
    started = [subprocess.Popen([sys.executable, "-m", "voicekit.cli", "worker"], start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(_STOPPING_S)
            except subprocess.TimeoutExpired:
                process.kill()
