"""Voices as requests name them (`ada`, or `ada@2` for a version) and as their owners may see them."""

from __future__ import annotations

from voicekit.api.auth import Caller
from voicekit.api.errors import ApiError
from voicekit.api.server import Server
from voicekit.errors import UsageError, VoiceNotFound
from voicekit.records import Voice, VoiceState


def version_of(reference: str) -> int:
    """The version that a reference names, 0 for none."""
    version = reference.partition("@")[2]
    return int(version) if version.isdecimal() and len(version) < 10 else 0


def voice_of(server: Server, caller: Caller, reference: str, newest: bool = False) -> Voice:
    """The version that was named, or the newest published one, or the newest. Others' voices are as if they were not there.

    `newest`: published or not.
    """
    name, _, version = reference.partition("@")
    try:
        versions = server.app.versions(name)
    except UsageError:
        versions = []
    mine = [v for v in versions if caller.owns(v.owner)]
    if version:
        found = [v for v in mine if str(v.version) == version]
    else:
        found = [v for v in mine if v.state is VoiceState.PUBLISHED and not newest] or mine
    if not found:
        raise VoiceNotFound(f"There is no voice {reference!r}.", _where_it_is(server, caller, name))
    return found[-1]


def _where_it_is(server: Server, caller: Caller, name: str) -> str:
    """What to do about a voice that is not there: a name that was just sent is often still being made."""
    mine = (job for job in server.app.jobs_of(name) if caller.owns(job.owner) and not job.state.over)
    making = next(mine, None)
    return f"It is being made: GET /v1/jobs/{making.id}" if making else "GET /v1/audio/voices lists yours."


def speaking_voice(server: Server, caller: Caller, reference: str) -> Voice:
    """A voice that may be used: only published ones speak for the public."""
    voice = voice_of(server, caller, reference)
    name = f"{voice.slug}@{voice.version}"
    if voice.state is VoiceState.REVOKED:
        raise ApiError(409, "voice_revoked", f"The voice {name} was revoked.", "Use another voice or version.", "voice")
    if voice.state is not VoiceState.PUBLISHED:
        hear = f"Hear it: GET /v1/audio/voices/{voice.slug}/preview. Publish it: POST /v1/audio/voices/{voice.slug}/publish."
        raise ApiError(409, "voice_not_published", f"The voice {name} is a draft.", hear, "voice")
    server.app.check_files(voice)
    return voice


def check_model(model: str, voice: Voice) -> None:
    """`model` may say which base is expected; it must be the voice's own."""
    if model not in ("voicekit", voice.base_model):
        problem = f"There is no model {model!r} for the voice {voice.slug!r}."
        raise ApiError(404, "model_not_found", problem, "Use 'voicekit': a voice knows its base model.", "model")
