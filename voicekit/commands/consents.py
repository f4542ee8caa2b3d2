"""`voicekit consents`: what a speaker reads aloud, the consents that are kept, and their end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voicekit.commands.common import Json, opened

Language = Annotated[str, typer.Option(metavar="TAG", help="The language of the statement (BCP-47).")]
ConsentId = Annotated[str, typer.Argument(metavar="ID", help="A consent's id, as the list shows it.")]

consents_cli = typer.Typer(help="Keep, list and withdraw the consents of speakers.", no_args_is_help=True)


def add(cli: typer.Typer) -> None:
    """The commands become part of `voicekit`."""
    cli.add_typer(consents_cli, name="consents")


@consents_cli.command("statement")
def statement(language: Language = "en") -> None:
    """Print what the speaker reads aloud, word for word."""
    from voicekit import terminal
    from voicekit.consent import statement as statement_in

    with terminal.stdout_for_results() as result:
        result.line(statement_in(language))


@consents_cli.command("add")
def add_consent(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="The speaker reading the statement: a sound file.")],
    speaker: Annotated[str, typer.Option(metavar="NAME", help="Who consents.")],
    language: Language = "en",
    json: Json = False,
) -> None:
    """Keep a spoken consent. Exit code 3 if its words are not those of the statement; nothing is kept then."""
    from voicekit import terminal
    from voicekit.results import stored_consent_json

    with terminal.stdout_for_results() as result:
        given = opened().add_consent("", speaker, language, recording, only_if_said=True)
        if json:
            result.json(stored_consent_json(given))
        else:
            result.line(given.id)
    terminal.say("The words match. The voice is compared with a voice's clips when that is published.")


@consents_cli.command("list")
def list_consents(json: Json = False) -> None:
    """List the consents that are kept, the newest first."""
    from voicekit import terminal
    from voicekit.results import stored_consent_json

    with terminal.stdout_for_results() as result:
        found = opened().consents()
        if json:
            result.json([stored_consent_json(given) for given in found])
        else:
            result.consents(found)


@consents_cli.command("remove")
def remove_consent(consent: ConsentId, json: Json = False) -> None:
    """Withdraw a consent: its recording is deleted, and every voice that rests on it is revoked."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        result.removed(opened().remove_consent(consent), consent, json)
