"""A base directory that is not whole is refused with the file and the key by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from voicekit.covo.config import read_card, read_chat_config
from voicekit.covo.sampling import Sampling
from voicekit.covo.text import TextTokenizer, prompt_format
from voicekit.errors import BaseModelError


def with_change(tiny: Path, folder: Path, file: str, change: dict[str, Any]) -> Path:
    """A copy of the two JSON files, in one of which keys are changed ("a.b" is nested; None = removed)."""
    for name in ("base.json", "config.json"):
        data = json.loads((tiny / name).read_text())
        for path, value in change.items() if name == file else ():
            *parents, key = path.split(".")
            inner = data
            for parent in parents:
                inner = inner[parent]
            inner.pop(key, None)
            if value is not None:
                inner[key] = value
        (folder / name).write_text(json.dumps(data))
    return folder


def test_a_whole_base_is_read(tiny: Path) -> None:
    card, config = read_card(tiny), read_chat_config(tiny)
    assert card.default_speaker in card.speakers
    assert (config.num_codes, config.adapter_stages, config.segment_frames) == (64, 3, 200)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", None),
        ("name", 7),
        ("speakers", []),
        ("speakers", "anna"),
        ("default_speaker", "nobody"),
        ("control", "without the name"),
        ("text_block", True),
        ("sampling", {"heat": 1}),
    ],
)
def test_a_wrong_card_is_refused_by_its_key(tiny: Path, tmp_path: Path, key: str, value: object) -> None:
    folder = with_change(tiny, tmp_path, "base.json", {key: value})
    with pytest.raises(BaseModelError, match=rf'"{key}" in .*base\.json|base\.json has no key "{key}"'):
        read_card(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model_type", "qwen2"),
        ("audio_token_index", None),
        ("audio_token_index", 10_000_000),
        ("adapter_downsample", 6),
        ("llm_config.hidden_size", None),
        ("llm_config.vocab_size", "many"),
        ("llm_config.use_sliding_window", True),
        ("encoder_config.max_source_positions", None),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_key(tiny: Path, tmp_path: Path, path: str, value: object) -> None:
    folder = with_change(tiny, tmp_path, "config.json", {path: value})
    with pytest.raises(BaseModelError) as caught:
        read_chat_config(folder)
    assert f'"{path.rsplit(".")[-1]}"' in caught.value.problem and "config.json" in caught.value.problem


def test_files_that_are_missing_or_no_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no base\.json"):
        read_card(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BaseModelError, match=r"config\.json cannot be read"):
        read_chat_config(tmp_path)


def test_sampling_comes_from_the_card(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r'"temperature" in .*must be float'):
        read_card(with_change(tiny, tmp_path, "base.json", {"sampling": {"temperature": "hot"}}))
    folder = with_change(tiny, tmp_path, "base.json", {"sampling": {"temperature": 1, "top_k": 5, "greedy_text": False}})
    assert read_card(folder).sampling == Sampling(temperature=1.0, top_k=5, greedy_text=False)


def test_speech_codes_must_follow_the_text_tokens(tiny: Path, tmp_path: Path) -> None:
    offset = read_chat_config(tiny).audio_offset
    folder = with_change(tiny, tmp_path, "config.json", {"audio_token_index": offset + 1})
    tokenizer = TextTokenizer(tiny)
    with pytest.raises(BaseModelError, match="audio_token_index"):
        prompt_format(tokenizer, read_card(folder), read_chat_config(folder))
    prompt = prompt_format(tokenizer, read_card(tiny), read_chat_config(tiny))
    assert prompt.audio_offset == len(tokenizer) == offset
