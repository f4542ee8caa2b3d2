"""POST /v1/audio/voices: recordings, sent now or before, become a voice by way of a job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from voicekit.access import RECORDINGS, SOUNDS
from voicekit.api import shown
from voicekit.api.auth import Caller, Writer
from voicekit.api.consents import consent_of
from voicekit.api.errors import ApiError
from voicekit.api.idempotency import IdempotencyKey, once
from voicekit.api.incoming import check_count, check_kind, on_disk
from voicekit.api.server import Server, ServerDep
from voicekit.errors import CatalogAway, MissingModel
from voicekit.records import Upload
from voicekit.shipped import shipped

router = APIRouter(prefix="/v1/audio/voices", tags=["voices"])
_MADE = shown.example({"id": "ada", "object": "voice.making", "job": shown.JOB_EXAMPLE}, 202, "The job that makes the voice.")
_SCRIPTS = frozenset({".csv", ".tsv", ".xlsx", ".jsonl", ".txt", ".srt", ".vtt", ".textgrid"})
_TURNS = frozenset({".rttm"})
_LOOK_AGAIN_S = 2.0
Name = Annotated[str, Form(pattern="^[a-z0-9][a-z0-9_-]{1,39}$", description="The voice's name.", examples=["ada"])]
Word = Annotated[str, Form(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


@dataclass(frozen=True)
class _Asked:
    name: str
    files: Sequence[UploadFile]
    upload_ids: Sequence[str]
    script: UploadFile | None
    reference: UploadFile | None
    turns: UploadFile | None
    speaker: str
    language: str
    recipe: str
    base: str
    consent_id: str
    tags: Sequence[str]
    new_version: bool


@router.post("", status_code=202, responses=_MADE)
async def make(
    name: Name,
    caller: Writer,
    server: ServerDep,
    request: Request,
    recordings: Annotated[list[UploadFile] | None, File(description="Sound files and their script, or a zip.")] = None,
    upload_ids: Annotated[list[str] | None, Form(description="Files uploaded before.")] = None,
    script: Annotated[UploadFile | None, File(description="What is said: LJSpeech metadata.csv or a CSV with header.")] = None,
    reference: Annotated[
        UploadFile | None, File(description="A sound of the wanted speaker, for recordings in which others speak too.")
    ] = None,
    speaker: Annotated[
        str, Form(max_length=200, description="Instead: what RTTM calls them, sent as `turns` or beside the recordings.")
    ] = "",
    turns: Annotated[UploadFile | None, File(description="Who speaks when: RTTM that names the recordings.")] = None,
    language: Annotated[
        str,
        Form(
            pattern="^([A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*|auto)?$",
            max_length=16,
            description="BCP-47, or auto; default: the recipe's.",
        ),
    ] = "",
    recipe: Word = "lora",
    base: Annotated[str, Form(pattern="^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$", description="Default: the server's.")] = "",
    consent_id: Annotated[str, Form(max_length=128, description="May also be given later, before publishing.")] = "",
    tags: Annotated[list[str] | None, Form()] = None,
    new_version: Annotated[bool, Form(description="Of a name that is published with other inputs.")] = False,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Make a voice. It stays a draft until it is published. The same inputs again find the same job."""
    asked = _Asked(
        name=name,
        files=recordings or [],
        upload_ids=upload_ids or [],
        script=_sent(script),
        reference=_sent(reference),
        turns=_sent(turns),
        speaker=speaker,
        language=language,
        recipe=recipe,
        base=base,
        consent_id=consent_id,
        tags=[tag.strip()[:40] for tag in (tags or []) if tag.strip()][:20],
        new_version=new_version,
    )
    return await once(server, caller, idempotency_key, "voices", request, lambda: _submit(server, caller, asked, request))


def _sent(file: UploadFile | None) -> UploadFile | None:
    """Forms of browsers send a nameless file where none was chosen."""
    return file if file is not None and file.filename else None


@dataclass(frozen=True)
class _Taken:
    """What was sent, below the home; `recordings` is a folder or a zip."""

    recordings: Path
    script: Path | None
    reference: Path | None
    turns: Path | None


async def _submit(server: Server, caller: Caller, asked: _Asked, request: Request) -> tuple[int, dict[str, Any]]:
    if not (shipped("recipes") / f"{asked.recipe}.toml").is_file():
        names = ", ".join(sorted(p.stem for p in shipped("recipes").glob("*.toml")))
        raise ApiError(422, "unknown_recipe", f"There is no recipe {asked.recipe!r}.", f"There are: {names}.", "recipe")
    if asked.consent_id:
        await run_in_threadpool(_check_words, server, caller, asked.consent_id)
    places: list[Path] = []
    try:
        taken = await run_in_threadpool(_taken_in, server, caller, asked, places)
        if asked.consent_id:
            # In recordings of several speakers it is the wanted one who consents.
            await server.model.run(lambda: _check_voice(server, asked.consent_id, taken.reference or taken.recordings), request)
        return 202, await run_in_threadpool(_submitted, server, caller, asked, taken)
    finally:
        # Of a request that was refused, or made nothing new, nothing stays. Also where the client has gone meanwhile.
        await asyncio.shield(_forget(server, places))


async def _forget(server: Server, places: list[Path]) -> None:
    """What nothing uses. While the database is away nobody knows what that is: then as soon as it is back."""
    try:
        await run_in_threadpool(server.app.forget_unused, places)
    except CatalogAway:
        later = asyncio.create_task(_forget_later(server, places))
        server.cleaning.add(later)
        later.add_done_callback(server.cleaning.discard)


async def _forget_later(server: Server, places: list[Path]) -> None:
    while True:
        await asyncio.sleep(_LOOK_AGAIN_S)
        with suppress(CatalogAway):
            await run_in_threadpool(server.app.forget_unused, places)
            return


def _taken_in(server: Server, caller: Caller, asked: _Asked, places: list[Path]) -> _Taken:
    """What was sent with this request is not kept as uploads; `places` are noted as they are made."""

    def gathered(uploads: Sequence[Upload]) -> Path:
        places.append(server.app.gather(uploads))
        return places[-1]

    check_count([*asked.files, *asked.upload_ids], server.limits.files, "recordings")
    if not asked.files and not asked.upload_ids:
        problem = "There are no recordings."
        raise ApiError(422, "bad_recordings", problem, "Send files as `recordings`, or `upload_ids`.", "recordings")
    before = [server.app.upload(upload_id, caller.writes_as) for upload_id in asked.upload_ids]
    sent: list[Upload] = []
    try:
        for file in asked.files:
            check_kind(file, RECORDINGS, "recordings")
            sent.append(_kept(server, caller, file))
        place = gathered([*before, *sent])
        files: dict[str, Path | None] = {}
        for param, file, kinds in (
            ("script", asked.script, _SCRIPTS), ("reference", asked.reference, SOUNDS), ("turns", asked.turns, _TURNS),
        ):  # fmt: skip
            if file is not None:
                check_kind(file, kinds, param)
                sent.append(_kept(server, caller, file))
            files[param] = None if file is None else gathered(sent[-1:]) / sent[-1].name
        return _Taken(place, **files)
    finally:
        for upload in sent:
            server.app.drop_upload(upload)


def _kept(server: Server, caller: Caller, file: UploadFile) -> Upload:
    with on_disk(file) as path:
        return server.app.place_upload(caller.writes_as, file.filename or path.name, path)


def _check_words(server: Server, caller: Caller, consent_id: str) -> None:
    if not consent_of(server, caller, consent_id).words_ok:
        problem = "The consent does not say the statement."
        raise ApiError(422, "consent_words", problem, "Record it again: GET /v1/audio/voice_consents/statement.", "consent_id")


def _check_voice(server: Server, consent_id: str, recordings: Path) -> None:
    checked = server.app.check_consent_voice(consent_id, recordings)
    if not checked.voice_ok:
        problem = f"The consent was not spoken by the voice of the recordings (likeness {checked.cosine:.2f})."
        raise ApiError(422, "consent_voice", problem, "The speaker of the recordings must consent in person.", "consent_id")


def _submitted(server: Server, caller: Caller, asked: _Asked, taken: _Taken) -> dict[str, Any]:
    try:
        status = server.app.submit(
            asked.name,
            taken.recordings,
            script=taken.script,
            reference=taken.reference,
            speaker=asked.speaker,
            turns=taken.turns,
            language=asked.language,
            recipe=asked.recipe,
            base=asked.base,
            new_version=asked.new_version,
            owner=caller.writes_as,
            consent_id=asked.consent_id,
            tags=asked.tags,
            uploads=asked.upload_ids,
        )
    except MissingModel as error:
        if not asked.base:
            raise
        raise ApiError(422, "unknown_base", error.problem, "Leave `base` out for the server's own.", "base") from None
    return {"object": "voice.making", "id": asked.name, "job": shown.job(status)}
