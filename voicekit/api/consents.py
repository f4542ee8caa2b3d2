"""/v1/audio/voice_consents: a speaker says the statement; its words are checked at once, its voice with the recordings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Query, Request, UploadFile
from fastapi.responses import JSONResponse

from voicekit.access import SOUNDS
from voicekit.api import shown
from voicekit.api.auth import Caller, Reader, Writer
from voicekit.api.errors import ApiError
from voicekit.api.idempotency import IdempotencyKey, once
from voicekit.api.incoming import check_kind, on_disk
from voicekit.api.paging import After, PageSize, page
from voicekit.api.server import Server, ServerDep
from voicekit.consent import statement as statement_in
from voicekit.errors import ConsentNotFound
from voicekit.records import Consent

router = APIRouter(prefix="/v1/audio/voice_consents", tags=["consents"])
_CONSENT = shown.example(shown.CONSENT_EXAMPLE)
Language = Annotated[str, Query(max_length=16, description="BCP-47.", examples=["en"])]


def consent_of(server: Server, caller: Caller, consent_id: str) -> Consent:
    """Others' consents are as if they were not there."""
    missing = ConsentNotFound(f"There is no consent {consent_id!r}.", "GET /v1/audio/voice_consents lists yours.")
    try:
        given = server.app.consent(consent_id)
    except ConsentNotFound:
        raise missing from None
    if not caller.owns(given.owner):
        raise missing
    return given


@router.get("/statement", responses=shown.example({"language": "en", "statement": "I am the owner of this voice. ..."}))
def statement(caller: Reader, language: Language = "en") -> dict[str, Any]:
    """What the speaker reads aloud."""
    return {"language": language, "statement": statement_in(language)}


@router.post("", status_code=201, responses=shown.example(shown.CONSENT_EXAMPLE, 201, "`words_ok` says whether it holds."))
async def add(
    recording: Annotated[UploadFile, File(description="The speaker reading the statement.")],
    speaker: Annotated[str, Form(min_length=1, max_length=200, description="Who consents.", examples=["Ada L."])],
    caller: Writer,
    server: ServerDep,
    request: Request,
    language: Annotated[str, Form(max_length=16)] = "en",
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Give a consent. `voice_ok` is known when it is compared with recordings: when a voice is made, or published."""

    def keep() -> tuple[int, dict[str, Any]]:
        check_kind(recording, SOUNDS, "recording")
        if not speaker.strip():
            raise ApiError(422, "invalid_request", "speaker: somebody must consent.", "Send the speaker's name.", "speaker")
        with on_disk(recording) as path:
            return 201, shown.consent(server.app.add_consent(caller.writes_as, speaker, language, path))

    return await once(server, caller, idempotency_key, "voice_consents", request, lambda: server.model.run(keep, request))


@router.get("", responses=shown.example_page(shown.CONSENT_EXAMPLE))
def consents(caller: Reader, server: ServerDep, limit: PageSize = 20, after: After = "") -> dict[str, Any]:
    """Your consents."""
    found = sorted(server.app.consents(caller.owner), key=lambda c: c.id)
    return page(found, lambda c: c.id, shown.consent, limit, after)


@router.get("/{consent_id}", responses=_CONSENT)
def consent(consent_id: Annotated[str, Path(max_length=128)], caller: Reader, server: ServerDep) -> dict[str, Any]:
    """One consent."""
    return shown.consent(consent_of(server, caller, consent_id))


_DELETED = {"object": "voice_consent.deleted", "id": "consent-5f0c2d", "deleted": True, "removed": shown.REMOVED_EXAMPLE}


@router.delete("/{consent_id}", responses=shown.example(_DELETED))
def withdraw(consent_id: Annotated[str, Path(max_length=128)], caller: Writer, server: ServerDep) -> dict[str, Any]:
    """Withdraw a consent: its recording is deleted, and every version that rests on it is revoked at once (`removed.revoked`)."""
    given = consent_of(server, caller, consent_id)
    return shown.deleted("voice_consent", given.id, server.app.remove_consent(given.id))
