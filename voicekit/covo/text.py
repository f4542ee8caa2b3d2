"""The base's text tokenizer, and the ids of a whole dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from voicekit.covo.config import REMEDY, Card, ChatConfig
from voicekit.errors import BaseModelError
from voicekit.prompt import PromptFormat

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begofcAUDIO|>", "<|cAUDIO|>", "<|endofcAUDIO|>")
# Where the release's tokenizer has them, counted back from the first speech code: Qwen2.5's 151,643 pieces and 22 special
# tokens, then six of its own.
RELEASED_BEFORE_AUDIO = (27, 26, 28, 6, 5, 4)
REPLACEMENT = "\ufffd"
TOKENIZER = "tokenizer.json"
# The same in parts: byte-level BPE as Qwen2 was released with; the special tokens are in the third.
PARTS = ("vocab.json", "merges.txt", "tokenizer_config.json")


class TextTokenizer:
    """Text <-> ids, by a folder's tokenizer.json, or else its vocab.json, merges.txt and tokenizer_config.json.

    What looks like a special token inside a text is text: a user cannot end their own turn. With `at_once` False a folder
    without them is an error only when they are needed.
    """

    def __init__(self, folder: Path, at_once: bool = True) -> None:
        self._folder = folder
        if at_once or self.present:
            _ = self._tokenizer

    @property
    def files(self) -> list[Path]:
        """What it is read from; [] if that is not there."""
        whole, parts = self._folder / TOKENIZER, [self._folder / name for name in PARTS]
        if whole.is_file():
            return [whole]
        return parts if all(part.is_file() for part in parts) else []

    @property
    def present(self) -> bool:
        return bool(self.files)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        files = self.files
        if not files:
            remedy = f"Put the base's {TOKENIZER} there, or {', '.join(PARTS)}; without it there is only what needs no text."
            raise BaseModelError(f"There is no {TOKENIZER} in {self._folder}.", remedy)
        try:
            made = Tokenizer.from_file(str(files[0])) if len(files) == 1 else _from_parts(self._folder)
        except Exception as error:  # the library raises bare Exception
            raise BaseModelError(f"{files[0]} cannot be read: {error}.", REMEDY) from None
        made.encode_special_tokens = True
        return made

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise BaseModelError(f"The text tokenizer in {self._folder} has no token {token}.", REMEDY)
        return int(found)


def _from_parts(folder: Path) -> Tokenizer:
    from transformers import Qwen2Tokenizer

    # Only the class's own reading of the three files; no code and no address in them is followed.
    return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)._tokenizer


def prompt_format(tokenizer: TextTokenizer, card: Card, config: ChatConfig) -> PromptFormat:
    """The prompt format of a base; speech codes must follow the text tokens."""
    if not tokenizer.present and card.released:
        ids = [config.audio_offset - before for before in RELEASED_BEFORE_AUDIO]
    elif len(tokenizer) != config.audio_offset:
        raise BaseModelError(
            f'"audio_token_index" in config.json is {config.audio_offset}, but the text tokenizer has {len(tokenizer)} tokens.',
            REMEDY,
        )
    else:
        ids = [tokenizer.special(token) for token in SPECIAL]
    start, end, end_of_text, audio_begin, audio_pad, audio_end = ids
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
