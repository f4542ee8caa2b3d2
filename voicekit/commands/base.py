"""`voicekit base`: look at a base model's folder, and write it anew without pickles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicekit.commands.common import Json, opened

if TYPE_CHECKING:
    from voicekit.results import BasePart, BaseReport

FAULTY = 3
NAMED_AT_MOST = 8

Base = Annotated[str, typer.Argument(metavar="PATH", help="A base model's folder, or its name.")]

base_cli = typer.Typer(help="Look at base models, and convert released ones.", no_args_is_help=True)


def add(cli: typer.Typer) -> None:
    """The commands become part of `voicekit`."""
    cli.add_typer(base_cli, name="base")


@base_cli.command("check")
def check_base(base: Base, json: Json = False) -> None:
    """Say what a base model consists of, what is missing, and what that means. Exit code 3 if a part is damaged."""
    _show(opened().check_base(base), json)


@base_cli.command("convert")
def convert_base(
    base: Base,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    json: Json = False,
) -> None:
    """Write a base model to OUT with safetensors instead of pickles. Interrupted? Run it again: it continues."""
    _show(opened().convert_base(base, out), json)


def _show(report: BaseReport, json: bool) -> None:
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        if json:
            result.json(report.as_json())
        else:
            for line in _lines(report):
                result.line(line)
    raise typer.Exit(0 if report.usable else FAULTY)


def _lines(report: BaseReport) -> Iterator[str]:
    yield f"{report.name} ({report.layout} layout) in {report.folder}"
    yield f"licence: {report.licence}"
    for part in report.parts:
        yield from _part(part)
    if report.not_kept:
        yield f"not kept, for it is no weight: {', '.join(report.not_kept)}"


def _part(part: BasePart) -> Iterator[str]:
    if part.fault:
        yield f"{part.name:<17}DAMAGED  {part.fault} {part.remedy}"
        return
    if not part.there:
        yield f"{part.name:<17}missing  {part.means} {part.remedy}"
        return
    size = f"{part.size_bytes / 1e9:.2f} GB" if part.size_bytes >= 1e8 else f"{part.size_bytes / 1e6:.1f} MB"
    told = [
        f"{part.parameters:,} parameters" if part.parameters else "",
        size if part.size_bytes else "",
        " + ".join(part.dtypes),
        part.note,
    ]
    yield f"{part.name:<17}there    {', '.join(t for t in told if t)}".rstrip()
    if part.sizes:
        yield " " * 26 + ", ".join(f"{key} {value}" for key, value in part.sizes.items())
    if part.extra:
        shown = ", ".join(part.extra[:NAMED_AT_MOST]) + (", ..." if len(part.extra) > NAMED_AT_MOST else "")
        yield f"{'':<26}{len(part.extra)} kept that nothing uses: {shown}"
