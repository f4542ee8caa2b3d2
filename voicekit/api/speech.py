"""POST /v1/audio/speech: a text spoken in a voice, in OpenAI's shape."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from voicekit.api.auth import Speaker
from voicekit.api.errors import body
from voicekit.api.events import EVENT_STREAM, event, started
from voicekit.api.schemas import SpeechRequest, encoding_of, name_of
from voicekit.api.server import Server, ServerDep
from voicekit.api.voice_access import check_model, speaking_voice
from voicekit.audio_formats import FORMATS, encode, encoder
from voicekit.errors import UsageError, VoicekitError
from voicekit.records import FloatArray, Voice

router = APIRouter(tags=["speech"])
_KINDS: dict[str, Any] = {kind: {} for kind in (*(f.media_type for f in FORMATS.values()), EVENT_STREAM)}
_SOUND: dict[int | str, dict[str, Any]] = {200: {"description": "The sound.", "content": _KINDS}}


@router.post("/v1/audio/speech", response_class=Response, responses=_SOUND)
async def speak(asked: SpeechRequest, caller: Speaker, server: ServerDep, request: Request) -> Response:
    """Speak a text. The sound is 24 kHz mono; streamed formats begin before all of it is made."""
    if not asked.input.strip():
        raise UsageError("There is nothing to say.", "Give a text in `input`.")
    voice = await run_in_threadpool(speaking_voice, server, caller, name_of(asked.voice))
    check_model(asked.model, voice)
    name = encoding_of(asked.response_format)
    pieces = await started(_samples(server, voice, asked, request))
    match asked.stream_format:
        case "file":
            async with aclosing(pieces):
                samples = [piece async for piece in pieces]
            whole: FloatArray = np.concatenate(samples) if samples else np.zeros(0, np.float32)
            return Response(await run_in_threadpool(encode, whole, name), media_type=FORMATS[name].media_type)
        case "audio":
            return StreamingResponse(_encoded(pieces, name), media_type=FORMATS[name].media_type)
        case "sse":
            return StreamingResponse(_events(_encoded(pieces, name), request), media_type=EVENT_STREAM)


async def _samples(server: Server, voice: Voice, asked: SpeechRequest, request: Request) -> AsyncGenerator[FloatArray, None]:
    made = server.model.iterate(lambda: server.app.speech(voice.slug, asked.input, voice.version, asked.seed), request)
    async with aclosing(made):
        async for samples in made:
            yield samples


async def _encoded(pieces: AsyncGenerator[FloatArray, None], name: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        writer = encoder(name)
        async for samples in pieces:
            if data := writer.push(samples):
                yield data
        if data := writer.finish():
            yield data


async def _events(chunks: AsyncGenerator[bytes, None], request: Request) -> AsyncIterator[str]:
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                yield event({"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode()})
        except VoicekitError as error:
            yield event({"type": "error", **body(error, request)})
            return
    yield event({"type": "speech.audio.done"})
