"""What voices, jobs, consents and uploads look like in answers."""

from __future__ import annotations

import math
from typing import Any

from voicekit.api.errors import without_places
from voicekit.records import Consent, ConsentState, JobFault, JobStatus, Upload, Voice
from voicekit.results import Removed, consent_json

VOICE_EXAMPLE: dict[str, Any] = {
    "object": "voice",
    "id": "ada",
    "version": 1,
    "state": "published",
    "language": "en",
    "base_model": "nano",
    "description": "calm, close",
    "tags": ["english"],
    "consent_id": "consent-5f0c2d",
    "consent": {"kind": "spoken", "holds": True, "says": "Ada L. consented in person (likeness 0.91), 2026-11-01."},
    "created_at": "2026-11-01T12:00:00.000+00:00",
}
JOB_EXAMPLE: dict[str, Any] = {
    "object": "job",
    "id": "9b1c",
    "voice": "ada",
    "state": "running",
    "step": "chat",
    "fraction": 0.4,
    "message": "step 80 of 200",
    "done": ["prepare", "tokens"],
    "losses": [[1, 4.2], [80, 2.1]],
    "numbers": {"step": 80, "speech_loss": 2.1, "learning_rate": 0.0003, "tokens_per_s": 1800, "seconds_left": 96},
    "error": None,
    "version": None,
    "attempt": 1,
    "created_at": "2026-11-01T12:00:00.000+00:00",
    "updated_at": "2026-11-01T12:01:00.000+00:00",
}
CONSENT_EXAMPLE: dict[str, Any] = {
    "object": "voice_consent",
    "id": "consent-5f0c2d",
    "speaker": "Ada L.",
    "language": "en",
    "statement": "I am the owner of this voice. ...",
    "words_ok": True,
    "heard": "i am the owner of this voice ...",
    "voice_ok": True,
    "cosine": 0.91,
    "created_at": "2026-11-01T11:58:00.000+00:00",
}

REMOVED_EXAMPLE: dict[str, Any] = {
    "versions": ["ada@1", "ada@2"],
    "jobs": ["9b1c"],
    "drafts": [],
    "consents": ["consent-5f0c2d"],
    "uploads": ["upload-41d7"],
    "revoked": [],
    "num_files": 214,
    "num_bytes": 35_200_000,
}


def voice(found: Voice, consent: ConsentState) -> dict[str, Any]:
    return {
        "object": "voice",
        "id": found.slug,
        "version": found.version,
        "state": found.state.value,
        "language": found.language,
        "base_model": found.base_model,
        "description": found.description,
        "tags": list(found.tags),
        "consent_id": found.consent_id or None,
        "consent": consent_json(consent),
        "created_at": found.created_at,
    }


def job(status: JobStatus) -> dict[str, Any]:
    fault = status.fault
    return {
        "object": "job",
        "id": status.id,
        "voice": status.name,
        "state": status.state.value,
        "step": status.step or None,
        "fraction": status.fraction,
        "message": status.message,
        "done": list(status.done),
        "losses": [[step, loss if math.isfinite(loss) else None] for step, loss in status.losses],
        "numbers": {name: value if math.isfinite(value) else None for name, value in status.numbers},
        "error": None if fault is None else _fault(fault),
        "version": status.version or None,
        "attempt": status.attempt,
        "created_at": status.created_at,
        "updated_at": status.updated_at,
    }


def _fault(fault: JobFault) -> dict[str, str]:
    return {"code": fault.code, "message": without_places(fault.problem), "remedy": without_places(fault.remedy)}


def consent(given: Consent) -> dict[str, Any]:
    return {
        "object": "voice_consent",
        "id": given.id,
        "speaker": given.speaker,
        "language": given.language,
        "statement": given.statement,
        "words_ok": given.words_ok,
        "heard": given.heard,
        "voice_ok": given.voice_ok,
        "cosine": round(given.cosine, 4) if math.isfinite(given.cosine) else None,
        "created_at": given.created_at,
    }


def upload(kept: Upload) -> dict[str, Any]:
    return {
        "object": "upload",
        "id": kept.id,
        "filename": kept.name,
        "bytes": kept.num_bytes,
        "created_at": kept.created_at,
    }


def deleted(kind: str, name: str, removed: Removed) -> dict[str, Any]:
    return {"object": f"{kind}.deleted", "id": name, "deleted": True, "removed": removed.as_json()}


def example(value: dict[str, Any], status: int = 200, description: str = "Done.") -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route, for the OpenAPI document."""
    return {status: {"description": description, "content": {"application/json": {"example": value}}}}


def example_page(value: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return example({"object": "list", "data": [value], "next": None}, description="A page.")
