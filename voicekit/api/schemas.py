"""What speech and chat requests look like: OpenAI's shapes. Fields that are not listed are accepted and have no effect."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voicekit.verbalization import visible

MOST_CHARS = 4096
MOST_MESSAGES = 64
Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARS), AfterValidator(visible)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1, description="The same seed gives the same answer.")]
FormatName = Literal["mp3", "opus", "flac", "wav", "pcm", "pcm16"]


class VoiceId(BaseModel):
    id: str


VoiceName = Annotated[str | VoiceId, Field(description="The voice's name; `ada@2` is version 2.", examples=["ada"])]


def encoding_of(wanted: FormatName) -> str:
    """The key of `audio_formats.FORMATS`: chat calls pcm pcm16."""
    return "pcm" if wanted == "pcm16" else wanted


def name_of(voice: str | VoiceId) -> str:
    return voice if isinstance(voice, str) else voice.id


class SpeechRequest(BaseModel):
    """`stream_format`: "audio" streams the sound as it is made, "sse" as events, "file" answers when all of it is there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "voicekit", "voice": "ada", "input": "good morning", "response_format": "mp3"}],
        }
    )

    model: str = "voicekit"
    voice: VoiceName
    input: Text
    response_format: FormatName = "mp3"
    stream_format: Literal["audio", "sse", "file"] = "audio"
    speed: Annotated[float, Field(ge=1.0, le=1.0, description="Voices speak at their speaker's pace: 1.0.")] = 1.0
    seed: Seed = 0


class TextPart(BaseModel):
    type: Literal["text"]
    text: Text


class InputAudio(BaseModel):
    data: Annotated[str, Field(description="The file, base64.", min_length=1)]
    format: Annotated[str, Field(pattern="^[a-z0-9]{2,5}$", examples=["wav"])] = "wav"


class AudioPart(BaseModel):
    type: Literal["input_audio"]
    input_audio: InputAudio


class Refusal(BaseModel):
    type: Literal["refusal"]
    refusal: str


class ReplyId(BaseModel):
    id: str


class UserMessage(BaseModel):
    """Typed or spoken; one spoken part a message."""

    role: Literal["user"]
    content: Text | Annotated[list[TextPart | AudioPart], Field(min_length=1, max_length=8)]


class AssistantMessage(BaseModel):
    """An earlier answer: its words, or the id of its audio in an earlier reply."""

    role: Literal["assistant"]
    content: str | list[TextPart | Refusal] | None = None
    audio: ReplyId | None = None


class SystemMessage(BaseModel):
    role: Literal["system", "developer"]
    content: Any = None


Message = Annotated[UserMessage | AssistantMessage | SystemMessage, Field(discriminator="role")]


class ChatAudio(BaseModel):
    voice: VoiceName
    format: FormatName = "wav"


class ChatRequest(BaseModel):
    """`audio.voice` answers. Without "audio" in `modalities` only its words come back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "voicekit",
                    "modalities": ["text", "audio"],
                    "audio": {"voice": "ada", "format": "wav"},
                    "messages": [{"role": "user", "content": "what is two plus three"}],
                }
            ],
        }
    )

    model: str = "voicekit"
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    audio: ChatAudio
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] = ["text", "audio"]
    stream: bool = False
    seed: Seed = 0
    n: Annotated[int, Field(ge=1, le=1)] = 1

    @model_validator(mode="before")
    @classmethod
    def _names_who_answers(cls, given: Any) -> Any:
        if isinstance(given, dict) and not cast(dict[str, Any], given).get("audio"):
            raise ValueError('say which voice answers: "audio": {"voice": "NAME", "format": "wav"}')
        return given  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _ends_with_a_question(self) -> ChatRequest:
        if self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        return self


class ErrorDetail(BaseModel):
    code: Annotated[str, Field(description="Stable: programs may rely on it.")]
    message: str
    remedy: Annotated[str, Field(description="What to do about it.")]
    type: str
    param: str | None
    request_id: str


class ErrorBody(BaseModel):
    """Every error has this shape."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "voice_not_found",
                        "message": "There is no voice 'eda'.",
                        "remedy": "GET /v1/audio/voices lists yours.",
                        "type": "not_found_error",
                        "param": None,
                        "request_id": "5c3f9f0d1d2b4c9a8e7f6a5b4c3d2e1f",
                    }
                }
            ]
        }
    )

    error: ErrorDetail
