"""/v1/uploads: files that are used later, by their ids."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Path, Request, UploadFile
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from voicekit.access import RECORDINGS
from voicekit.api import shown
from voicekit.api.auth import Reader, Writer
from voicekit.api.idempotency import IdempotencyKey, once
from voicekit.api.incoming import check_kind, on_disk
from voicekit.api.paging import After, PageSize, page
from voicekit.api.server import ServerDep

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
_EXAMPLE = {"object": "upload", "id": "upload-41d7", "filename": "a.wav", "bytes": 48044, "created_at": "2026-11-01T12:00:00Z"}
UploadId = Annotated[str, Path(max_length=128)]


@router.post("", status_code=201, responses=shown.example(_EXAMPLE, 201))
async def add(
    file: Annotated[UploadFile, File(description="A recording, a zip of recordings, or their script.")],
    caller: Writer,
    server: ServerDep,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Send one file."""

    def keep() -> tuple[int, dict[str, Any]]:
        check_kind(file, RECORDINGS, "file")
        with on_disk(file) as path:
            return 201, shown.upload(server.app.add_upload(caller.writes_as, file.filename or path.name, path))

    return await once(server, caller, idempotency_key, "uploads", request, lambda: run_in_threadpool(keep))


@router.get("", responses=shown.example_page(_EXAMPLE))
def uploads(caller: Reader, server: ServerDep, limit: PageSize = 20, after: After = "") -> dict[str, Any]:
    """Your uploads."""
    found = sorted(server.app.uploads(caller.writes_as), key=lambda u: u.id)
    return page(found, lambda u: u.id, shown.upload, limit, after)


@router.delete("/{upload_id}", status_code=204)
def remove(upload_id: UploadId, caller: Writer, server: ServerDep) -> None:
    """Forget a file. Voices made of it are not affected."""
    server.app.remove_upload(server.app.upload(upload_id, caller.writes_as).id)
