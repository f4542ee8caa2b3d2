"""`voicekit keys`: which programs may use the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from voicekit.commands.common import Json, opened
from voicekit.service_records import ApiKey

keys_cli = typer.Typer(help="Make, list and revoke keys of the HTTP API.", no_args_is_help=True)


def add(cli: typer.Typer) -> None:
    """The commands become part of `voicekit`."""
    cli.add_typer(keys_cli, name="keys")


@keys_cli.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    owner: Annotated[str, typer.Option(metavar="NAME", help="Whose voices it opens. Default: those made on this machine.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="read, write or speak; may be repeated. Default: all.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key. It is shown this once: only its hash is kept."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened()
        key, secret = app.create_key(name, owner, scope) if scope else app.create_key(name, owner)
        if json:
            result.json({**_shown(key), "key": secret})
        else:
            terminal.say(f"{key.id} may {', '.join(key.scopes)}. Keep the key: it is not shown again.")
            result.line(secret)


@keys_cli.command("list")
def list_keys(json: Json = False) -> None:
    """List the keys."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        found = opened().keys()
        if json:
            result.json([_shown(key) for key in found])
        for key in [] if json else found:
            state = f"revoked {key.revoked_at}" if key.revoked_at else f"made {key.created_at}"
            result.line(f"{key.id}  {key.name}  owner {key.owner or '-'}  {' '.join(key.scopes)}  {state}")


@keys_cli.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `keys list` shows it.")]) -> None:
    """Take a key back; it opens nothing from now on."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        result.line(f"{opened().revoke_key(key_id).id} is revoked.")


def _shown(key: ApiKey) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "sha256"}
