"""`voicekit studio`: make voices and talk with them in the browser of this machine."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import Annotated

import typer

from voicekit.commands.common import opened, workers
from voicekit.errors import MissingModel, UsageError


def add(cli: typer.Typer) -> None:
    """The command becomes part of `voicekit`."""
    cli.command()(studio)


def studio(
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="The port on this machine.")] = 7860,
    worker: Annotated[bool, typer.Option(" /--no-worker", help="Leave the jobs to workers started elsewhere.")] = True,
) -> None:
    """Make voices and talk with them in the browser. Only this machine can reach it."""
    from voicekit import terminal

    try:
        from studio_app.app import launch
    except ImportError as error:
        remedy = "Install it: pip install 'voicekit[studio]'."
        raise MissingModel(f"The studio is not installed here ({error.name} is missing).", remedy) from None
    app = opened(serves=True)
    app.voices()  # a catalog that cannot be used is said now
    try:
        served = launch(app, port)
    except OSError:
        raise UsageError(f"Port {port} cannot be used.", "Choose another: --port.") from None
    terminal.say(f"The studio: {served.address} (stop with Ctrl-C)")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with workers(1 if worker else 0), suppress(KeyboardInterrupt):
        threading.Event().wait()
    served.close()
