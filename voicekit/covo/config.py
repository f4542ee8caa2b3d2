"""What a base directory says about itself: base.json (the card) and config.json (sizes). Sizes come from nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from voicekit.covo.sampling import USUAL, Sampling
from voicekit.errors import BaseModelError

T = TypeVar("T")
CARD = "base.json"
REMEDY = "Use a complete base directory, or build it again."
CONTROL = "请用文本和音频进行对话，交替生成5个文本token和15个音频token，音频部分使用发音人：{speaker}"


@dataclass(frozen=True)
class Card:
    """base.json: what the base is and how it speaks.

    The decoder sees at most `decoder_window_tokens` at once, a voice prompt of `prompt_tokens` among them: what it was
    trained on. A text is read in pieces of at most `reading_tokens` text tokens. A `released` base may lack what was never
    released or is kept elsewhere; what is missing is asked for when it is needed.
    """

    name: str
    licence: str
    languages: tuple[str, ...]
    speakers: tuple[str, ...]
    default_speaker: str
    kind: str = "covo_audio"
    control: str = CONTROL
    text_block: int = 5
    audio_block: int = 15
    vocoder: str = "world"
    max_new_tokens: int = 2048
    max_audio_per_text: float = 12.0
    reading_tokens: int = 40
    prompt_tokens: int = 24
    decoder_window_tokens: int = 80
    sampling: Sampling = USUAL
    released: bool = False


@dataclass(frozen=True)
class ChatConfig:
    """config.json: the chat model's sizes. `llm` and `encoder` are the fields of a Qwen2 and of a Whisper configuration.

    `adapter_hidden` 0: the weights say it. `dtype` is how the weights are stored.
    """

    llm: dict[str, Any]
    encoder: dict[str, Any]
    audio_offset: int
    adapter_stages: int = 3
    adapter_hidden: int = 0
    dtype: str = ""

    @property
    def hidden_size(self) -> int:
        return int(self.llm["hidden_size"])

    @property
    def num_codes(self) -> int:
        return int(self.llm["vocab_size"]) - self.audio_offset

    @property
    def max_positions(self) -> int:
        return int(self.llm["max_position_embeddings"])

    @property
    def segment_frames(self) -> int:
        """10 ms frames that the encoder hears at once (two for each of its positions)."""
        return 2 * int(self.encoder["max_source_positions"])


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object; BaseModelError naming the file when it is not there or not an object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaseModelError(f"There is no {path.name} in {path.parent}.", REMEDY) from None
    except (OSError, ValueError) as error:
        raise BaseModelError(f"{path} cannot be read: {error}.", REMEDY) from None
    if not isinstance(data, dict):
        raise BaseModelError(f"{path} does not hold a JSON object.", REMEDY)
    return data


def field(data: dict[str, Any], key: str, kind: type[T], file: Path, default: T | None = None) -> T:
    """data[key] as `kind`; an int counts as a float, true and false do not count as numbers."""
    value: Any = data.get(key, default)
    if kind is float and type(value) is int:
        value = float(value)
    if key not in data and default is None:
        raise BaseModelError(f'{file} has no key "{key}".', REMEDY)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BaseModelError(f'"{key}" in {file} is {value!r}; it must be {kind.__name__}.', REMEDY)
    return value


def first_line(error: Exception) -> str:
    """What a library says in the first line of its error, or else the error's kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _words(data: dict[str, Any], key: str, file: Path) -> tuple[str, ...]:
    items = field(data, key, list, file)
    if not items or not all(isinstance(item, str) for item in items):
        raise BaseModelError(f'"{key}" in {file} must be a list of at least one text.', REMEDY)
    return tuple(items)


def _sampling(data: dict[str, Any], file: Path) -> Sampling:
    wanted = field(data, "sampling", dict, file, {})
    known: dict[str, Any] = {f.name: type(f.default) for f in fields(Sampling)}
    for key in wanted:
        if key not in known:
            raise BaseModelError(f'"sampling" in {file} has the unknown key "{key}".', f"Known are {', '.join(known)}.")
    given: dict[str, Any] = {key: field(wanted, key, known[key], file) for key in wanted}
    return Sampling(**given)


def read_card(folder: Path) -> Card:
    """base.json of a base directory."""
    file = folder / CARD
    data = read_json(file)
    card = Card(
        name=field(data, "name", str, file),
        licence=field(data, "licence", str, file),
        languages=_words(data, "languages", file),
        speakers=_words(data, "speakers", file),
        default_speaker=field(data, "default_speaker", str, file),
        kind=field(data, "kind", str, file, Card.kind),
        control=field(data, "control", str, file, CONTROL),
        text_block=field(data, "text_block", int, file, Card.text_block),
        audio_block=field(data, "audio_block", int, file, Card.audio_block),
        vocoder=field(data, "vocoder", str, file, Card.vocoder),
        max_new_tokens=field(data, "max_new_tokens", int, file, Card.max_new_tokens),
        max_audio_per_text=field(data, "max_audio_per_text", float, file, Card.max_audio_per_text),
        reading_tokens=field(data, "reading_tokens", int, file, Card.reading_tokens),
        prompt_tokens=field(data, "prompt_tokens", int, file, Card.prompt_tokens),
        decoder_window_tokens=field(data, "decoder_window_tokens", int, file, Card.decoder_window_tokens),
        sampling=_sampling(data, file),
        released=field(data, "released", bool, file, Card.released),
    )
    if "{speaker}" not in card.control:
        raise BaseModelError(f'"control" in {file} must contain {{speaker}}.', REMEDY)
    if card.default_speaker not in card.speakers:
        raise BaseModelError(f'"default_speaker" in {file} is {card.default_speaker!r}, which is not in "speakers".', REMEDY)
    return card


def read_chat_config(folder: Path) -> ChatConfig:
    """config.json of a base directory."""
    file = folder / "config.json"
    data = read_json(file)
    kind = field(data, "model_type", str, file)
    if kind != "covo_audio":
        raise BaseModelError(f'"model_type" in {file} is {kind!r}, not "covo_audio".', "Give the directory of a Covo-Audio base.")
    llm, encoder = field(data, "llm_config", dict, file), field(data, "encoder_config", dict, file)
    for part in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size"):
        field(llm, part, int, file)
    for part in ("d_model", "encoder_layers", "encoder_attention_heads", "num_mel_bins", "max_source_positions"):
        field(encoder, part, int, file)
    offset = field(data, "audio_token_index", int, file)
    if not 0 < offset < field(llm, "vocab_size", int, file):
        raise BaseModelError(f'"audio_token_index" in {file} is {offset}; it must lie inside the vocabulary.', REMEDY)
    field(llm, "max_position_embeddings", int, file)
    if llm.get("use_sliding_window"):
        raise BaseModelError(f'"use_sliding_window" in {file} is set; this is not supported.', REMEDY)
    downsample = field(data, "adapter_downsample", int, file)
    stages = downsample.bit_length() - 1
    if downsample != 1 << stages or stages < 1:
        raise BaseModelError(f'"adapter_downsample" in {file} is {downsample}; it must be a power of two.', REMEDY)
    hidden = field(data, "adapter_hidden", int, file, ChatConfig.adapter_hidden)
    dtype = data.get("dtype") or data.get("torch_dtype") or ""
    return ChatConfig(llm, encoder, offset, stages, hidden, str(dtype))
