"""The command line: parse, ask the App, render. Results go to stdout, progress and everything else to stderr.

Exit codes: 0 done, 2 usage, 3 bad input, 4 refused by the gate (a draft is kept), 5 and up see voicekit.errors,
130 interrupted.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from voicekit.commands import base as base_commands
from voicekit.commands import consents as consent_commands
from voicekit.commands import dataset as dataset_commands
from voicekit.commands import jobs as job_commands
from voicekit.commands import keys as key_commands
from voicekit.commands import models as model_commands
from voicekit.commands import prepare as prepare_commands
from voicekit.commands import serve as serve_commands
from voicekit.commands import studio as studio_commands
from voicekit.commands.common import REFUSED, ConsentId, Json, opened
from voicekit.commands.prepare import Reference, Speaker, Turns
from voicekit.errors import UsageError, VoicekitError

INTERRUPTED = 130

cli = typer.Typer(
    name="voicekit",
    help="Give a speech chat model a new voice: recordings in, a voice it can talk in out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the voice: small letters, digits, - and _.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="OUT.wav", help="The audio file to write (24 kHz wav).")]
Questions = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Your own test questions: .jsonl or .csv with `text` and `answer`.")
]


def _version(asked: bool) -> None:
    if asked:
        from voicekit import __version__

        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options before the command."""


@cli.command()
def create(
    name: Name,
    recordings: Annotated[
        Path, typer.Argument(metavar="RECORDINGS", help="Folder or zip with wav, flac, mp3, m4a, ogg, opus or webm files.")
    ],
    script: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What is said: LJSpeech metadata.csv or a CSV with header. Default: found in RECORDINGS."
        ),
    ] = None,
    reference: Reference = None,
    speaker: Speaker = "",
    turns: Turns = None,
    language: Annotated[str, typer.Option(help="Language of the recordings (BCP-47, or auto). Default: the recipe's, en.")] = "",
    recipe: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help="How to make it: lora, full, smoke or your own file.")
    ] = "lora",
    base: Annotated[str, typer.Option(metavar="NAME|DIR", help="The base model. Default: nano, or VOICEKIT_BASE.")] = "",
    questions: Questions = None,
    new_version: Annotated[
        bool, typer.Option("--new-version", help="If NAME exists with other inputs, make its next version.")
    ] = False,
    consent: ConsentId = "",
    json: Json = False,
) -> None:
    """Make a voice from recordings. Interrupted? Run the same command again: it continues."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened(waits=True)
        with terminal.progress(app.steps()) as report:
            made = app.create(
                name,
                recordings,
                script=script,
                reference=reference,
                speaker=speaker,
                turns=turns,
                language=language,
                recipe=recipe,
                base=base,
                questions=questions,
                new_version=new_version,
                consent_id=consent,
                report=report,
            )
        if json:
            result.json(made.as_json())
        else:
            result.details(made)
    terminal.say_what_is_missing(app, made.voice)
    raise typer.Exit(0 if made.evaluation.passed else REFUSED)


@cli.command()
def say(name: Name, text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")], out: Out) -> None:
    """Speak a text in a voice."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        result.line(str(opened().say(name, text, out)))


@cli.command()
def chat(
    name: Name,
    text: Annotated[str | None, typer.Option(metavar="T", help="A typed question.")] = None,
    audio: Annotated[Path | None, typer.Option(metavar="F", help="A spoken question.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT.wav", help="The answer. Interactive: a folder for the answers.")
    ] = None,
    json: Json = False,
) -> None:
    """Ask a voice. Without --text and --audio: a conversation, typed line by line."""
    from voicekit import terminal

    if text is not None and audio is not None:
        raise UsageError("A question is either typed or spoken.", "Give --text or --audio, not both.")
    if text is None and audio is None:
        terminal.converse(opened().dialogue(name), name, out or Path("answers"))
        return
    if out is None:
        raise UsageError("There is no place for the answer.", "Name the file to write: -o OUT.wav.")
    with terminal.stdout_for_results() as result:
        answer = opened().chat(name, text, audio, out)
        if json:
            result.json(answer.as_json())
        else:
            result.line(f"{answer.text}\n{answer.audio}")


@cli.command()
def voices(json: Json = False) -> None:
    """List the voices."""
    from voicekit import terminal
    from voicekit.results import voice_json

    with terminal.stdout_for_results() as result:
        app = opened()
        found = [(voice, app.consent_state(voice)) for voice in app.voices()]
        if json:
            result.json([voice_json(*each) for each in found])
        else:
            result.voices(found)


@cli.command()
def show(name: Name, json: Json = False) -> None:
    """Show a voice: its numbers and where it comes from."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        found = opened().show(name)
        if json:
            result.json({**found.as_json(), "lineage": found.lineage_json()})
        else:
            result.details(found)


@cli.command()
def evaluate(name: Name, questions: Questions = None, json: Json = False) -> None:
    """Measure a voice again, with the base's test questions or your own."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened()
        with terminal.progress(app.steps("evaluate")) as report:
            measured = app.evaluate(name, questions, report)
        if json:
            result.json(measured.as_json())
        else:
            result.details(measured)


@cli.command()
def remove(name: Name, json: Json = False) -> None:
    """Forget a voice: all versions and jobs, their files, and the recordings, unfinished voices and consents only they used."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        result.removed(opened().remove(name), name, json)


@cli.command()
def doctor() -> None:
    """Say what works on this machine and what is missing."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        checks = opened().doctor()
        result.checks(checks)
    raise typer.Exit(0 if all(c.ok or c.optional for c in checks) else 1)


@cli.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the report and the answers go.")] = Path("demo"),
) -> None:
    """Give the base model the voice of the bundled speaker and hear it answer."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened()
        with terminal.progress(app.steps("demo")) as report:
            shown = app.demo(out, report)
        result.demo(shown)
    raise typer.Exit(0 if shown.details.evaluation.passed else REFUSED)


prepare_commands.add(cli)
consent_commands.add(cli)
job_commands.add(cli)
studio_commands.add(cli)
serve_commands.add(cli)
key_commands.add(cli)
dataset_commands.add(cli)
model_commands.add(cli)
base_commands.add(cli)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point; ends the process with the exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; every error becomes a message on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):  # names of files may hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(args=list(arguments), prog_name="voicekit")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except VoicekitError as error:
        _complain(error.problem, error.remedy)
        code = error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        _complain(f"{error.filename or 'A file'}: {error.strerror or error}.", "Check the path and its permissions.")
        code = UsageError.exit_code
    except Exception as error:
        from voicekit import terminal

        _complain(f"Something went wrong inside voicekit: {error!r}.", f"The details are in {terminal.keep_traceback(error)}.")
        code = VoicekitError.exit_code
    else:
        code = 0
    if code == INTERRUPTED:
        _complain("Interrupted.", "Run the same command again: it continues where it was.")
    return code


def _complain(problem: str, remedy: str) -> None:
    typer.echo(f"Error: {problem}" + (f"\n{remedy}" if remedy else ""), err=True)


if __name__ == "__main__":
    main()
