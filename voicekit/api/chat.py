"""POST /v1/chat/completions: a question, typed or spoken, answered by a voice in words and sound, in OpenAI's shape."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from voicekit.api.auth import Caller, Speaker
from voicekit.api.conversation import Begun, begun
from voicekit.api.errors import body
from voicekit.api.events import DONE, EVENT_STREAM, event, started
from voicekit.api.schemas import ChatRequest, encoding_of, name_of
from voicekit.api.server import Server, ServerDep
from voicekit.api.voice_access import check_model, speaking_voice
from voicekit.audio_formats import encode, encoder
from voicekit.dialogue import AudioDelta, Dialogue, Done, Failed, Output, TextDelta
from voicekit.errors import VoicekitError, error_of
from voicekit.records import FloatArray, Voice

router = APIRouter(tags=["chat"])
_KEPT_S = 3600
_EXAMPLE: dict[str, Any] = {
    "id": "chatcmpl-1f0c",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "nano",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "audio": {"id": "audio-77a1", "data": "UklGRg==", "expires_at": 1_790_003_600, "transcript": "five"},
            },
        }
    ],
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or its chunks as events.",
        "content": {"application/json": {"example": _EXAMPLE}, EVENT_STREAM: {}},
    }
}


@dataclass(frozen=True)
class _Reply:
    """One answer being given: its ids and what it must look like."""

    server: Server
    caller: Caller
    voice: Voice
    asked: ChatRequest
    begun: Begun
    number: str
    created: int

    @property
    def format(self) -> str:
        return encoding_of(self.asked.audio.format)

    @property
    def spoken(self) -> bool:
        return "audio" in self.asked.modalities

    def shape(self, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": kind,
            "created": self.created,
            "model": self.voice.base_model,
            "choices": [{"index": 0, **choice}],
        }

    def sound(self, **fields: Any) -> dict[str, Any]:
        return {"id": f"audio-{self.number}", **fields}


@router.post("/v1/chat/completions", response_class=JSONResponse, responses=_ANSWERS)
async def complete(asked: ChatRequest, caller: Speaker, server: ServerDep, request: Request) -> Response:
    """Ask a voice. With `stream`, words and sound come as they are made."""
    voice = await run_in_threadpool(speaking_voice, server, caller, name_of(asked.audio.voice))
    check_model(asked.model, voice)
    heard = await run_in_threadpool(begun, asked.messages, server, caller.writes_as)
    reply = _Reply(server, caller, voice, asked, heard, uuid4().hex[:24], int(time.time()))
    outputs = await started(_outputs(reply, request))
    headers = {"Voicekit-No-Effect": ", ".join(asked.without_effect)} if asked.without_effect else {}
    if asked.stream:
        return StreamingResponse(_chunks(reply, outputs, request), headers=headers, media_type=EVENT_STREAM)
    text: list[str] = []
    samples: list[FloatArray] = []
    async with aclosing(outputs):
        async for output in outputs:
            match output:
                case TextDelta(more):
                    text.append(more)
                case AudioDelta(new):
                    samples.append(new)
                case _:
                    pass
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text), "refusal": None}
    if reply.spoken:
        whole: FloatArray = np.concatenate(samples) if samples else np.zeros(0, np.float32)
        data = base64.b64encode(await run_in_threadpool(encode, whole, reply.format)).decode()
        sound = reply.sound(data=data, expires_at=reply.created + _KEPT_S, transcript="".join(text))
        message |= {"content": None, "audio": sound}
    return JSONResponse(
        reply.shape("chat.completion", {"message": message, "finish_reason": "stop", "logprobs": None}), headers=headers
    )


async def _outputs(reply: _Reply, request: Request) -> AsyncGenerator[Output, None]:
    """The dialogue's events; its failure as the error it was."""

    def begin() -> Iterator[Output]:
        start, voice = reply.begun, reply.voice
        dialogue = reply.server.app.dialogue(voice.slug, voice.version, start.history, start.heard, reply.asked.seed)
        dialogue.send(start.question)
        return _remembered(reply, dialogue)

    made = reply.server.model.iterate(begin, request)
    async with aclosing(made):
        async for output in made:
            if isinstance(output, Failed):
                raise error_of(output.code, output.problem, output.remedy)
            yield output


def _remembered(reply: _Reply, dialogue: Dialogue) -> Iterator[Output]:
    """A finished answer is kept, so that the next request may name it by its audio's id."""
    for output in dialogue.events():
        if isinstance(output, Done):
            reply.server.replies.keep(f"audio-{reply.number}", reply.caller.writes_as, dialogue.history[-1])
        yield output


async def _chunks(reply: _Reply, outputs: AsyncGenerator[Output, None], request: Request) -> AsyncIterator[str]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        return event(reply.shape("chat.completion.chunk", {"delta": delta, "finish_reason": finish, "logprobs": None}))

    def sound(data: bytes) -> str:
        return chunk({"audio": reply.sound(data=base64.b64encode(data).decode())})

    writer = encoder(reply.format) if reply.spoken else None
    async with aclosing(outputs):
        yield chunk({"role": "assistant", "content": None if reply.spoken else ""})
        try:
            async for output in outputs:
                match output:
                    case TextDelta(text):
                        yield chunk({"audio": reply.sound(transcript=text)} if reply.spoken else {"content": text})
                    case AudioDelta(samples) if writer is not None:
                        if data := writer.push(samples):
                            yield sound(data)
                    case _:
                        pass
        except VoicekitError as error:
            yield event(body(error, request))
            return
        if writer is not None:
            if data := writer.finish():
                yield sound(data)
            yield chunk({"audio": reply.sound(expires_at=reply.created + _KEPT_S)})
        yield chunk({}, "stop")
        yield DONE
