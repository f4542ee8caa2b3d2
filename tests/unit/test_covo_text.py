"""Text and dialogues as ids: nothing a user types is a control token, and streamed text is the text."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicekit.covo.config import read_card, read_chat_config
from voicekit.covo.text import SPECIAL, Said, TextStream, TextTokenizer, dialogue_ids, prompt_format
from voicekit.errors import BaseModelError


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> TextTokenizer:
    return TextTokenizer(tiny)


@pytest.mark.parametrize("token", SPECIAL)
def test_a_typed_special_token_stays_text(tokenizer: TextTokenizer, token: str) -> None:
    ids = tokenizer.encode(f"a {token} b")
    assert tokenizer.special(token) not in ids
    assert tokenizer.decode(ids) == f"a {token} b".lower()


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_streamed_text_joined_is_the_text(tokenizer: TextTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    stream = TextStream(tokenizer.decode)
    pieces = [stream.push(i) for i in ids] + [stream.finish()]
    assert "".join(pieces) == tokenizer.decode(ids)


def test_half_a_character_is_held_back(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode("ö")
    stream = TextStream(tokenizer.decode)
    assert [stream.push(i) for i in ids] == ["", "ö"]


def test_a_dialogue_is_its_turns_in_qwens_format(tiny: Path, tokenizer: TextTokenizer) -> None:
    prompt = prompt_format(tokenizer, read_card(tiny), read_chat_config(tiny))
    turns = [Said("user", "hello"), Said("assistant", "hi", speech=(3, 4)), Said("user", frames=2)]
    start, end = prompt.im_start, prompt.im_end

    def text(line: str) -> list[int]:
        return tokenizer.encode(line)

    assert dialogue_ids(prompt, tokenizer.encode, "anna", turns) == [
        *[start, *text("system\nanswer in text and speech, speaker: anna"), end, *text("\n")],
        *[start, *text("user\nhello"), end, *text("\n")],
        *[start, *text("assistant\n"), *text("hi"), prompt.audio_offset + 3, prompt.audio_offset + 4, end, *text("\n")],
        *[start, *text("user\n"), prompt.audio_begin, prompt.audio_pad, prompt.audio_pad, prompt.audio_end, end, *text("\n")],
        *[start, *text("assistant\n")],
    ]


def test_a_tokenizer_without_control_tokens_is_refused(tmp_path: Path, tiny: Path, tokenizer: TextTokenizer) -> None:
    with pytest.raises(BaseModelError, match=r"no token <\|nothing\|>"):
        tokenizer.special("<|nothing|>")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BaseModelError, match=r"tokenizer\.json cannot be read"):
        TextTokenizer(tmp_path)
    with pytest.raises(BaseModelError, match=r"no tokenizer\.json"):
        TextTokenizer(tmp_path / "other")


def test_a_tokenizer_in_parts_reads_as_one_file(tmp_path: Path) -> None:
    letters = ["a", "b", "Ġ", "ab", "Ġab"]
    names = ["<|im_start|>", "<|im_end|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\nĠ ab\n")
    added = {
        str(5 + n): {
            "content": name,
            "special": True,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "single_word": False,
        }
        for n, name in enumerate(names)
    }
    config = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "unk_token": None, "pad_token": names[0]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "eos_token": names[1]}))
    parts = TextTokenizer(tmp_path)
    assert parts.encode("ab ab") == [3, 4] and parts.decode([3, 4]) == "ab ab"
    assert [parts.special(name) for name in names] == [5, 6]
    # A user who types a special token's name says letters.
    assert 5 not in parts.encode("ab <|im_start|>")
    parts._tokenizer.save(str(tmp_path / "tokenizer.json"))
    whole = TextTokenizer(tmp_path)
    assert [f.name for f in whole.files] == ["tokenizer.json"] and len(whole) == len(parts)
    assert whole.encode("ab ab") == parts.encode("ab ab")
