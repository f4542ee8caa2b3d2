"""`voicekit dataset`: what can be done with a prepared dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voicekit.commands.common import Json, opened
from voicekit.commands.dataset_review import review_app

dataset_cli = typer.Typer(help="Look at prepared datasets and write them in other forms.", no_args_is_help=True)


def add(cli: typer.Typer) -> None:
    """The commands become part of `voicekit`."""
    dataset_cli.add_typer(review_app)
    cli.add_typer(dataset_cli, name="dataset")


@dataset_cli.command("export")
def export_dataset(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A prepared dataset: the folder with dataset.json.")],
    to: Annotated[str, typer.Option("--to", metavar="FORM", help="ljspeech, hf, textgrid or rttm.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The folder to write; it must be new or empty.")],
    json: Json = False,
) -> None:
    """Write a dataset in a form that other programs read: LJSpeech, HF audiofolder, Praat TextGrid, RTTM."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        written = opened().export_dataset(folder, to, out)
        if json:
            result.json(written.as_json())
        else:
            result.line(f"{written.count} {written.what} in {written.folder}")
