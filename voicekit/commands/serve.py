"""`voicekit serve`: the API, the studio under /studio where it is installed, and a worker."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from voicekit.commands.common import opened, workers
from voicekit.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from voicekit.app import App

_STUDIO = "/studio"


def add(cli: typer.Typer) -> None:
    """The command becomes part of `voicekit`."""
    cli.command()(serve)


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen. Default: this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="The port.")] = 8000,
    keys: Annotated[bool, typer.Option("--keys", help="Ask for API keys on this machine too (elsewhere always).")] = False,
    worker: Annotated[bool, typer.Option(" /--no-worker", help="Leave the jobs to workers started elsewhere.")] = True,
) -> None:
    """Serve voices over HTTP, in OpenAI's shapes: see docs/api.md."""
    from voicekit import terminal
    from voicekit.api.logs import log_worker
    from voicekit.api.running import PAGES, keys_required
    from voicekit.api.running import serve as run

    _check_free(host, port)
    app = opened(serves=True)
    app.voices()  # a catalog that cannot be used is said now
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with_keys = keys_required(host, keys)
    known = app.keys()
    # The studio knows no keys: it is for the user of this machine.
    studio = None if with_keys else _studio(app)

    def ready() -> None:
        terminal.say(f"Serving {address}/v1, described at {address}{PAGES}. Stop with Ctrl-C.")
        if studio is not None:
            terminal.say(f"The studio: {address}{_STUDIO}")
        if not with_keys:
            terminal.say("Programs of this machine need no key.")
        elif all(key.revoked_at for key in known):
            terminal.say("Nobody has a key yet: voicekit keys create NAME.")

    # Told to stop, the server ends in order, and with it the worker.
    signal.signal(signal.SIGTERM, _end)
    with workers(1 if worker else 0, log_worker) as crew:

        def has_worker() -> bool:
            return not worker or crew.starting or bool(app.workers())

        run(app, host, port, keys, ready, studio, PAGES if studio is None else _STUDIO, has_worker)


def _studio(app: App) -> Callable[[FastAPI], None] | None:
    """Mounts the studio; None where it is not installed."""
    try:
        from studio_app.app import mount
    except ImportError:
        return None

    def also(api: FastAPI) -> None:
        mount(api, app, path=_STUDIO)

    return also


def _end(_: int, __: FrameType | None) -> NoReturn:
    sys.exit(0)


def _check_free(host: str, port: int) -> None:
    """An address in use is said before anything is opened."""
    with suppress(socket.gaierror), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"{host} port {port} cannot be used: {error.strerror}.", "Choose another: --port.") from None
