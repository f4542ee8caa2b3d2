"""`voicekit models`: the outside models that messy recordings can use, and how they get here."""

from __future__ import annotations

from typing import Annotated

import typer

from voicekit.commands.common import Json, opened

models_cli = typer.Typer(help="See and fetch models that make speech of one speaker from messy recordings.", no_args_is_help=True)


def add(cli: typer.Typer) -> None:
    """The commands become part of `voicekit`."""
    cli.add_typer(models_cli, name="models")


@models_cli.command("list")
def list_models(json: Json = False) -> None:
    """List what each step can use, what of it is here, and what does the step meanwhile."""
    from voicekit import terminal
    from voicekit.results import model_json

    with terminal.stdout_for_results() as result:
        found = opened().models()
        if json:
            result.json([model_json(state) for state in found])
        else:
            result.models(found)


@models_cli.command("fetch")
def fetch_model(name: Annotated[str, typer.Argument(metavar="NAME", help="As `models list` shows it.")]) -> None:
    """Download a model into the folder of models (VOICEKIT_MODELS). Interrupted? Run it again: it continues."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened()
        with terminal.progress({"fetch": name}) as report:
            folder = app.fetch_model(name, report)
        result.line(str(folder))
