"""The base's text tokenizer, and the ids of a whole dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from voicekit.covo.config import REMEDY, Card, ChatConfig
from voicekit.errors import BaseModelError
from voicekit.prompt import PromptFormat

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begofcAUDIO|>", "<|cAUDIO|>", "<|endofcAUDIO|>")
REPLACEMENT = "\ufffd"


class TextTokenizer:
    """Text <-> ids. What looks like a special token inside a text is text: a user cannot end their own turn."""

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise BaseModelError(f"There is no {file.name} in {file.parent}.", REMEDY)
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare Exception
            raise BaseModelError(f"{file} cannot be read: {error}.", REMEDY) from None
        self._tokenizer.encode_special_tokens = True
        self._file = file

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise BaseModelError(f"{self._file} has no token {token}.", REMEDY)
        return int(found)


def prompt_format(tokenizer: TextTokenizer, card: Card, config: ChatConfig) -> PromptFormat:
    """The prompt format of a base; speech codes must follow the text tokens."""
    if len(tokenizer) != config.audio_offset:
        raise BaseModelError(
            f'"audio_token_index" in config.json is {config.audio_offset}, but tokenizer.json has {len(tokenizer)} tokens.',
            REMEDY,
        )
    start, end, end_of_text, audio_begin, audio_pad, audio_end = (tokenizer.special(token) for token in SPECIAL)
    return PromptFormat(
        control=card.control,
        audio_offset=config.audio_offset,
        num_codes=config.num_codes,
        im_start=start,
        im_end=end,
        end_of_text=end_of_text,
        audio_begin=audio_begin,
        audio_pad=audio_pad,
        audio_end=audio_end,
        text_block=card.text_block,
        audio_block=card.audio_block,
    )


@dataclass(frozen=True)
class Said:
    """One turn as the model sees it: a typed text, `frames` of heard audio, or an answer of text with speech codes."""

    role: str
    text: str = ""
    frames: int = 0
    speech: tuple[int, ...] = ()


def dialogue_ids(
    prompt: PromptFormat, encode: Callable[[str], Sequence[int]], speaker: str, turns: Sequence[Said], persona: str = ""
) -> list[int]:
    """System, the turns in order, and the opened assistant turn that the model continues."""
    ids = prompt.system(encode, speaker, persona)
    for turn in turns:
        if turn.role == "assistant":
            answer = prompt.interleave(encode(turn.text), turn.speech)
            ids += [*prompt.assistant_open(encode), *answer, prompt.im_end, *encode("\n")]
        elif turn.frames:
            ids += prompt.user_audio(encode, turn.frames)
        else:
            ids += prompt.user_text(encode, turn.text)
    return ids + prompt.assistant_open(encode)


class TextStream:
    """Text as its tokens come: a character is given out once all its bytes are there."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._given = 0

    def push(self, token_id: int) -> str:
        self._ids.append(token_id)
        text = self._decode(self._ids)
        if text.endswith(REPLACEMENT):
            return ""
        return self._give(text)

    def finish(self) -> str:
        """What is left, incomplete characters included."""
        return self._give(self._decode(self._ids))

    def _give(self, text: str) -> str:
        new, self._given = text[self._given :], len(text)
        return new
