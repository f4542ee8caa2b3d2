"""`voicekit base`: look at a base model's folder, write it anew without pickles, and learn what it lacks from its decoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from voicekit.commands.common import Json, opened
from voicekit.errors import InputError

if TYPE_CHECKING:
    from voicekit.results import BasePart, BaseReport

NAMED_AT_MOST = 8

Base = Annotated[str, typer.Argument(metavar="PATH", help="A base model's folder, or its name.")]

Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="OUT", help="A new base with the part. Default: it becomes part of BASE.")
]
Minutes = Annotated[float, typer.Option(help="Minutes of speech to decode and learn from.")]
Steps = Annotated[int, typer.Option(help="Steps of training.")]
Size = Annotated[str, typer.Option(metavar="tiny|base", help="How large a network with random weights.")]
Voices = Annotated[
    list[Path] | None,
    typer.Option(metavar="PATH", help="More voices: voice prompts (.safetensors) or recordings; may be given again."),
]
Invented = Annotated[int, typer.Option(metavar="N", help="Voices in all; what is missing is invented.")]
Texts = Annotated[Path | None, typer.Option(metavar="FILE", help="Sentences, one a line, that the chat model reads aloud.")]
Replies = Annotated[int, typer.Option(help="Questions to ask the chat model for more speech.")]
Seed = Annotated[int, typer.Option(help="Draws everything that is random.")]

base_cli = typer.Typer(help="Look at base models, convert released ones, learn parts they lack.", no_args_is_help=True)


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


@base_cli.command("distill-tokenizer")
def distill_tokenizer(
    base: Base,
    out: Out = None,
    minutes: Minutes = 60.0,
    steps: Steps = 3000,
    size: Size = "tiny",
    init: Annotated[Path | None, typer.Option(metavar="DIR", help="A pretrained WavLM's folder, instead of --size.")] = None,
    voices: Voices = None,
    invented: Invented = 200,
    texts: Texts = None,
    replies: Replies = 2000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Learn a speech tokenizer from the base's decoder. Interrupted? Run the same command again: it continues."""
    given = {"minutes": minutes, "steps": steps, "size": size, "init": init, "replies": replies, "texts": texts, "seed": seed}
    _distil("tokenizer", base, out, {**given, "voices": invented, "prompts": voices or ()}, json)


@base_cli.command("distill-prompts")
def distill_prompts(
    base: Base,
    out: Out = None,
    minutes: Minutes = 60.0,
    steps: Steps = 3000,
    size: Size = "tiny",
    voices: Voices = None,
    invented: Invented = 400,
    texts: Texts = None,
    replies: Replies = 0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Learn from the base's decoder what makes its voice prompts of recordings. Interrupted? Run it again: it continues."""
    given = {"minutes": minutes, "steps": steps, "size": size, "replies": replies, "texts": texts, "seed": seed}
    _distil("prompts", base, out, {**given, "voices": invented, "prompts": voices or ()}, json)


def _distil(part: Literal["tokenizer", "prompts"], base: str, out: Path | None, given: dict[str, Any], json: bool) -> None:
    from voicekit import terminal
    from voicekit.specs import distil_spec

    with terminal.stdout_for_results() as result:
        app, spec = opened(), distil_spec(given)
        with terminal.progress(app.steps(part)) as report:
            made = app.distil(part, base, out, spec, report)
        if json:
            result.json(made.as_json())
        else:
            result.distilled(made)


def _show(report: BaseReport, json: bool) -> None:
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        if json:
            result.json(report.as_json())
        else:
            for line in _lines(report):
                result.line(line)
    raise typer.Exit(0 if report.usable else InputError.exit_code)


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
