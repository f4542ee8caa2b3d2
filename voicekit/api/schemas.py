"""What speech and chat requests look like: OpenAI's shapes. What a voice cannot heed is refused, unless it asks for nothing
(`"tools": []`) or changes nothing that the asker would miss (`_NoEffect`, which the answer's headers name)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voicekit.verbalization import visible

MOST_CHARS = 4096
MOST_MESSAGES = 64
# OpenAI's own requests have about forty.
MOST_FIELDS = 100
Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARS), AfterValidator(visible)]
Answered = Annotated[str, Field(max_length=MOST_CHARS), AfterValidator(visible)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1, description="The same seed gives the same answer.")]
FormatName = Literal["mp3", "opus", "flac", "wav", "pcm", "pcm16"]


# How OpenAI's clients fill in what one model has and another has not. Voices answer as they were made.
Ignored = Annotated[Any, Field(description="Has no effect.")]
_NOTHING: tuple[object, ...] = (None, False, [], {}, "", "none", "auto", {"type": "text"})


class Asked(BaseModel):
    """A part of a request: a field that it does not have is an error, unless its value asks for nothing."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast(dict[str, Any], given)
        if len(fields) > MOST_FIELDS:
            raise ValueError(f"there are {len(fields)} fields, and no more than {MOST_FIELDS} are read")
        for name, value in fields.items():
            texts = cast(list[Any], value) if isinstance(value, list) else [value]
            if any(isinstance(text, str) and "\0" in text for text in texts):
                raise ValueError(f"{name} holds NUL, a character that cannot be stored")
        return {k: v for k, v in fields.items() if v is not None and (k in cls.model_fields or not _asks_for_nothing(v))}


def _asks_for_nothing(value: object) -> bool:
    return any(type(value) is type(nothing) and value == nothing for nothing in _NOTHING)


class VoiceId(Asked):
    id: str


VoiceName = Annotated[str | VoiceId, Field(description="The voice's name; `ada@2` is version 2.", examples=["ada"])]


def encoding_of(wanted: FormatName) -> str:
    """The key of `audio_formats.FORMATS`: chat calls pcm pcm16."""
    return "pcm" if wanted == "pcm16" else wanted


def name_of(voice: str | VoiceId) -> str:
    return voice if isinstance(voice, str) else voice.id


class SpeechRequest(Asked):
    """`stream_format`: "audio" streams the sound as it is made, "sse" as events, "file" answers when all of it is there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"model": "voicekit", "voice": "ada", "input": "good morning", "response_format": "mp3"}],
        },
    )

    model: str = "voicekit"
    voice: VoiceName
    input: Text
    response_format: FormatName = "mp3"
    stream_format: Literal["audio", "sse", "file"] = "audio"
    speed: Annotated[float, Field(ge=1.0, le=1.0, description="Voices speak at their speaker's pace: 1.0.")] = 1.0
    seed: Seed = 0


class TextPart(Asked):
    type: Literal["text"]
    text: Text


class InputAudio(Asked):
    data: Annotated[str, Field(description="The file, base64.", min_length=1)]
    format: Annotated[str, Field(pattern="^[a-z0-9]{2,5}$", examples=["wav"])] = "wav"


class AudioPart(Asked):
    type: Literal["input_audio"]
    input_audio: InputAudio


class Refusal(Asked):
    type: Literal["refusal"]
    refusal: Answered


UserPart = Annotated[TextPart | AudioPart, Field(discriminator="type")]
AssistantPart = Annotated[TextPart | Refusal, Field(discriminator="type")]


class ReplyId(BaseModel):
    """The `audio` of an answer, as it was given or its id alone."""

    id: str


Name = Annotated[str | None, Field(max_length=200, description="Has no effect.")]


class UserMessage(Asked):
    """Typed or spoken; one spoken part a message."""

    role: Literal["user"]
    content: Text | Annotated[list[UserPart], Field(min_length=1, max_length=8)]
    name: Name = None


class AssistantMessage(Asked):
    """An earlier answer, as it was given: its words, or the id of its audio in an earlier reply."""

    role: Literal["assistant"]
    content: Answered | Annotated[list[AssistantPart], Field(max_length=8)] | None = None
    audio: ReplyId | None = None
    name: Name = None
    refusal: Annotated[Answered | None, Field(description="Has no effect.")] = None
    annotations: Annotated[list[Any] | None, Field(description="Has no effect.")] = None


class SystemMessage(BaseModel):
    role: Literal["system", "developer"]
    content: Any = None


Message = Annotated[UserMessage | AssistantMessage | SystemMessage, Field(discriminator="role")]


class ChatAudio(Asked):
    voice: VoiceName
    format: FormatName = "wav"


class _NoEffect(Asked):
    """What is accepted and changes nothing."""

    frequency_penalty: Ignored = None
    logit_bias: Ignored = None
    max_completion_tokens: Ignored = None
    max_tokens: Ignored = None
    metadata: Ignored = None
    parallel_tool_calls: Ignored = None
    presence_penalty: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_retention: Ignored = None
    reasoning_effort: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None
    stream_options: Ignored = None
    temperature: Ignored = None
    top_p: Ignored = None
    user: Ignored = None
    verbosity: Ignored = None


class ChatRequest(_NoEffect):
    """`audio.voice` answers. Without "audio" in `modalities` only its words come back."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "model": "voicekit",
                    "modalities": ["text", "audio"],
                    "audio": {"voice": "ada", "format": "wav"},
                    "messages": [{"role": "user", "content": "what is two plus three"}],
                }
            ],
        },
    )

    model: str = "voicekit"
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    audio: ChatAudio
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] = ["text", "audio"]
    stream: bool = False
    seed: Seed = 0
    n: Annotated[int, Field(ge=1, le=1)] = 1

    @property
    def without_effect(self) -> list[str]:
        """The names of what was asked for in vain."""
        return sorted(self.model_fields_set & set(_NoEffect.model_fields))

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
