"""/v1/audio/voices: the voices there are, and what is done with them. `ada@2` names a version."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from voicekit.api import shown
from voicekit.api.auth import Reader, Speaker, Writer
from voicekit.api.consents import consent_of
from voicekit.api.paging import After, PageSize, page
from voicekit.api.schemas import Asked
from voicekit.api.server import Server, ServerDep
from voicekit.api.voice_access import version_of, voice_of
from voicekit.evaluation_warnings import warnings
from voicekit.records import Voice, VoiceState
from voicekit.results import evaluation_json

router = APIRouter(prefix="/v1/audio/voices", tags=["voices"])
VoiceRef = Annotated[str, Path(max_length=64, examples=["ada"])]
Tag = Annotated[str, Field(min_length=1, max_length=40)]
_VOICE = shown.example(shown.VOICE_EXAMPLE)


class VoiceChange(Asked):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"description": "calm, close", "tags": ["english"]}]}, extra="forbid"
    )

    description: Annotated[str | None, Field(max_length=1000)] = None
    tags: Annotated[list[Tag] | None, Field(max_length=20)] = None
    consent_id: Annotated[str | None, Field(max_length=128)] = None


@router.get("", responses=shown.example_page(shown.VOICE_EXAMPLE))
def voices(
    caller: Reader,
    server: ServerDep,
    search: Annotated[str, Query(max_length=100, description="Words in name, description or tags.")] = "",
    state: Annotated[VoiceState | None, Query()] = None,
    limit: PageSize = 20,
    after: After = "",
) -> dict[str, Any]:
    """Your voices by name, each with the version that speaks."""
    words = search.lower().split()
    found = [
        v
        for v in sorted(server.app.voices(), key=lambda v: v.slug)
        if caller.owns(v.owner) and state in (None, v.state) and all(word in _text(v) for word in words)
    ]
    return page(found, lambda v: v.slug, lambda v: _shown(server, v), limit, after)


@router.get("/{voice}", responses=_VOICE)
def show(voice: VoiceRef, caller: Reader, server: ServerDep) -> dict[str, Any]:
    """A voice and the versions there are of it."""
    found = voice_of(server, caller, voice)
    versions = [v for v in server.app.versions(found.slug) if caller.owns(v.owner)]
    return {**_shown(server, found), "versions": [{"version": v.version, "state": v.state.value} for v in versions]}


@router.patch("/{voice}", responses=_VOICE)
async def change(voice: VoiceRef, changes: VoiceChange, caller: Writer, server: ServerDep, request: Request) -> dict[str, Any]:
    """Describe a voice, or give it the consent it was made without; the consent's voice is compared with the clips at once."""

    def do() -> dict[str, Any]:
        found = voice_of(server, caller, voice)
        if changes.consent_id:
            consent_of(server, caller, changes.consent_id)
        changed = server.app.change_voice(
            found.slug,
            found.version,
            description=changes.description,
            tags=changes.tags,
            consent_id=changes.consent_id,
        )
        return _shown(server, changed)

    return await (server.model.run(do, request) if changes.consent_id else run_in_threadpool(do))


@router.post("/{voice}/publish", responses=_VOICE)
async def publish(voice: VoiceRef, caller: Writer, server: ServerDep, request: Request) -> dict[str, Any]:
    """Let a voice be used: the newest version, or the one named. Needs the gate's pass and a consent that holds; a version that
    was revoked needs one that was given since."""
    found = await run_in_threadpool(voice_of, server, caller, voice, newest=True)
    published = await server.model.run(lambda: server.app.publish(found.slug, found.version), request)
    return await run_in_threadpool(_shown, server, published)


@router.post("/{voice}/revoke", responses=_VOICE)
def revoke(voice: VoiceRef, caller: Writer, server: ServerDep) -> dict[str, Any]:
    """Take a published voice back: it is kept, but speaks again only with a consent that is given after this."""
    found = voice_of(server, caller, voice)
    return _shown(server, server.app.revoke(found.slug, version_of(voice)))


_DELETED = {"object": "voice.deleted", "id": "ada", "deleted": True, "versions": 2, "removed": shown.REMOVED_EXAMPLE}


@router.delete("/{voice}", responses=shown.example(_DELETED))
def remove(voice: Annotated[str, Path(max_length=64, pattern="^[^@]*$")], caller: Writer, server: ServerDep) -> dict[str, Any]:
    """Forget a voice: all versions and jobs, their files, and the recordings, uploads and consents that only they used."""
    slug = next((job.name for job in server.app.jobs_of(voice) if caller.owns(job.owner)), "")
    slug = slug or voice_of(server, caller, voice).slug
    removed = server.app.remove(slug)
    return {**shown.deleted("voice", slug, removed), "versions": len(removed.versions)}


@router.get(
    "/{voice}/preview",
    response_class=FileResponse,
    responses={200: {"description": "The sound.", "content": {"audio/wav": {}}}},
)
async def preview(voice: VoiceRef, caller: Speaker, server: ServerDep, request: Request) -> FileResponse:
    """One sentence in the voice, drafts too (wav)."""
    found = await run_in_threadpool(voice_of, server, caller, voice)
    file = await server.model.run(lambda: server.app.preview(found.slug, found.version), request)
    _check_range(request, file.stat().st_size)
    return FileResponse(file, media_type="audio/wav")


@router.get("/{voice}/evaluation", responses=shown.example({"voice": "ada", "version": 1, "passed": True, "metrics": {}}))
def evaluation(voice: VoiceRef, caller: Reader, server: ServerDep) -> dict[str, Any]:
    """The numbers of a voice with their 95 % intervals, and the gate's decision in words."""
    found = voice_of(server, caller, voice)
    measured = server.app.show(found.slug, found.version).evaluation
    return {
        "voice": found.slug,
        "version": found.version,
        "passed": measured.passed,
        "for_checking": measured.for_checking,
        "reasons": list(measured.reasons),
        "advice": list(measured.advice),
        "warnings": list(warnings(measured.metrics)),
        "metrics": evaluation_json(measured),
    }


@router.get("/{voice}/lineage", responses=shown.example({"voice": "ada", "version": 1, "recordings": []}))
def lineage(voice: VoiceRef, caller: Reader, server: ServerDep) -> dict[str, Any]:
    """Where a voice comes from: recordings, consent, base, settings, code."""
    found = voice_of(server, caller, voice)
    details = server.app.show(found.slug, found.version)
    return {"voice": found.slug, "version": found.version, **details.lineage_json()}


def _check_range(request: Request, num_bytes: int) -> None:
    """A range that cannot be read is as if it were not there (RFC 9110, 14.2); one behind the end is refused in words."""
    unit, _, wanted = request.headers.get("range", "").partition("=")
    try:
        if unit.strip().lower() != "bytes":
            raise ValueError
        firsts = [_first_byte(part.strip(), num_bytes) for part in wanted.split(",")]
    except ValueError:
        request.scope["headers"] = [(name, value) for name, value in request.scope["headers"] if name != b"range"]
        return
    if max(firsts) >= num_bytes:
        raise HTTPException(416, f"The sound ends after {num_bytes} bytes", {"Content-Range": f"bytes */{num_bytes}"})


def _first_byte(part: str, num_bytes: int) -> int:
    """Of one range: `5-9`, `5-`, or `-9`, the last nine bytes."""
    first, line, last = part.partition("-")
    if not line or (first and last and int(last) < int(first)):
        raise ValueError
    return int(first) if first else max(0, num_bytes - int(last))


def _shown(server: Server, voice: Voice) -> dict[str, Any]:
    return shown.voice(voice, server.app.consent_state(voice))


def _text(voice: Voice) -> str:
    return " ".join([voice.slug, voice.description, *voice.tags]).lower()
