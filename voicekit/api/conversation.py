"""OpenAI's messages -> what a Dialogue begins with: the last question, the turns before it, and how spoken ones sounded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from voicekit.api.errors import ApiError
from voicekit.api.schemas import AssistantMessage, AudioPart, Message, SystemMessage, TextPart, UserMessage
from voicekit.api.server import Server
from voicekit.audio_formats import decode
from voicekit.dialogue import UserAudio, UserText
from voicekit.records import Turn, Waveform

# A Dialogue shows its model so many exchanges; what lies further back need not be decoded.
_TURNS_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Begun:
    question: UserText | UserAudio
    history: tuple[Turn, ...]
    heard: tuple[Waveform, ...]


def begun(messages: Sequence[Message], server: Server, owner: str) -> Begun:
    """Raises ApiError for what a voice cannot take up, RecordingsError for sound that cannot be read."""
    if any(isinstance(message, SystemMessage) for message in messages):
        raise ApiError(
            400,
            "system_message",
            "A voice takes no instructions: how it answers was learned with it.",
            "Leave out system and developer messages.",
            "messages",
        )
    history: list[Turn] = []
    heard: list[Waveform] = []
    for message in messages[:-1][-_TURNS_SHOWN:]:
        if isinstance(message, UserMessage):
            said = _said(message, server)
            wave = said.wave if isinstance(said, UserAudio) else None
            heard += [] if wave is None else [wave]
            history.append(Turn("user", said.text, wave.digest() if wave else ""))
        elif isinstance(message, AssistantMessage):
            history.append(_answered(message, server, owner))
    last = messages[-1]
    assert isinstance(last, UserMessage)
    return Begun(_said(last, server), tuple(history), tuple(heard))


def _said(message: UserMessage, server: Server) -> UserText | UserAudio:
    if isinstance(message.content, str):
        return UserText(message.content)
    sounds = [part for part in message.content if isinstance(part, AudioPart)]
    texts = [part.text for part in message.content if isinstance(part, TextPart)]
    if not sounds:
        return UserText("\n".join(texts))
    if len(sounds) > 1 or texts:
        raise ApiError(400, "mixed_message", "A message is either typed or spoken, in one piece.", "Send several.", "messages")
    sound = sounds[0].input_audio
    try:
        data = base64.b64decode(sound.data, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(400, "bad_base64", "The spoken message is not base64.", "Encode the file's bytes.", "messages") from None
    return UserAudio(decode(data, f"question.{sound.format}", server.limits.question_s))


def _answered(message: AssistantMessage, server: Server, owner: str) -> Turn:
    if message.audio is not None:
        turn = server.replies.find(message.audio.id, owner)
        if turn is None:
            problem = f"The reply {message.audio.id} is no longer at hand."
            raise ApiError(400, "reply_not_found", problem, "Send its words as `content` instead.", "messages")
        return turn
    content = message.content or ""
    text = content if isinstance(content, str) else "\n".join(part.text for part in content if isinstance(part, TextPart))
    return Turn("assistant", text)
