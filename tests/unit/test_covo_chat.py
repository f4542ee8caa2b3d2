"""The chat model's laws: placeholders, untied embeddings, our steps against transformers, batches against single rows."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.makers import tiny_base
from voicekit.covo.adapter import log_mel_segments, num_frames, to_encoder_rate
from voicekit.covo.chat import CovoChat, Prompt, load_chat
from voicekit.covo.checkpoint import read_weights, save_weights
from voicekit.covo.config import read_card, read_chat_config
from voicekit.covo.sampling import FreeReply, Reading, Sampling
from voicekit.covo.text import Said, TextTokenizer, dialogue_ids, prompt_format
from voicekit.errors import BaseModelError
from voicekit.prompt import PromptFormat

QUESTIONS = ("what is two plus three?", "hello", "which colour is the sky, and why is it so?", "say it")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def prompt(folder: Path) -> PromptFormat:
    return prompt_format(TextTokenizer(folder), read_card(folder), read_chat_config(folder))


@pytest.fixture(scope="module")
def chat(folder: Path, prompt: PromptFormat) -> CovoChat:
    return load_chat(folder, prompt.audio_pad)


@pytest.fixture(scope="module")
def questions(folder: Path, prompt: PromptFormat) -> list[list[int]]:
    tokenizer = TextTokenizer(folder)
    return [dialogue_ids(prompt, tokenizer.encode, "low", [Said("user", q)]) for q in QUESTIONS]


def noise(num_samples: int) -> np.ndarray:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def test_released_placeholder_counts() -> None:
    assert num_frames(56_880) == 15 and num_frames(794_400) == 207 and num_frames(720_000) == 188
    assert num_frames(239) == 0 and num_frames(240) == 1


@pytest.mark.parametrize("num_samples", [0, 100, 240, 3_841, 47_999, 48_000, 48_240, 115_000])
def test_heard_frames_are_as_many_as_placeholders(chat: CovoChat, num_samples: int) -> None:
    heard = chat.audio_features(noise(num_samples))
    assert heard.shape == (num_frames(num_samples), chat.config.hidden_size) and heard.dtype == torch.float32
    assert bool(heard.isfinite().all())


def test_a_segment_is_heard_alone(chat: CovoChat) -> None:
    """Two segments of 2 s: the second one's audio does not change what the first one sounded like."""
    both = noise(96_000)
    first = chat.audio_features(both[:48_000])
    assert torch.allclose(chat.audio_features(both)[: len(first)], first, atol=1e-6)


def test_resampling_keeps_tones_below_8_khz_and_drops_those_above() -> None:
    t = torch.arange(24_000) / 24_000
    low, high = to_encoder_rate(torch.sin(2 * torch.pi * 1000 * t)), to_encoder_rate(torch.sin(2 * torch.pi * 11_000 * t))
    wanted = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)
    assert low.shape == (16_000,)
    assert float((low - wanted)[50:-50].abs().max()) < 2e-3
    assert float(high[50:-50].abs().max()) < 1e-2


def test_the_log_mel_is_whispers() -> None:
    from transformers import WhisperFeatureExtractor

    samples = noise(48_000)
    at_16k = to_encoder_rate(torch.from_numpy(samples)).numpy()
    whisper = WhisperFeatureExtractor(feature_size=80, chunk_length=2)(at_16k, sampling_rate=16_000, return_tensors="pt")
    assert torch.equal(log_mel_segments(samples, 80, 200), whisper["input_features"])


def test_embeddings_are_not_tied(folder: Path, chat: CovoChat, prompt: PromptFormat, tmp_path: Path) -> None:
    weights = read_weights(folder)
    assert not torch.equal(weights["llm.lm_head.weight"], weights["llm.model.embed_tokens.weight"])
    assert torch.equal(chat.llm.lm_head.weight, weights["llm.lm_head.weight"])
    assert torch.equal(chat.llm.model.embed_tokens.weight, weights["llm.model.embed_tokens.weight"])


def test_names_are_the_released_ones(chat: CovoChat) -> None:
    names = set(chat.state_dict())
    stages = [f"audio_adapter.downsample_layers.{i}.{part}.{kind}" for i in range(3) for part in ("conv1d", "linear1", "linear2")
              for kind in ("weight", "bias")]  # fmt: skip
    for name in [*stages, "llm.model.embed_tokens.weight", "llm.lm_head.weight", "encoder.conv1.weight",
                 "llm.model.layers.1.self_attn.q_proj.bias", "encoder.embed_positions.weight"]:  # fmt: skip
        assert name in names
    assert {name.split(".")[0] for name in names} == {"llm", "encoder", "audio_adapter"}


def test_weights_that_do_not_fit_are_named(folder: Path, prompt: PromptFormat, tmp_path: Path) -> None:
    weights = read_weights(folder)
    weights["llm.model.extra"] = weights.pop("audio_adapter.downsample_layers.2.linear2.bias")
    save_weights(weights, tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(BaseModelError, match=r"audio_adapter\.downsample_layers\.2\.linear2\.bias.*llm\.model\.extra"):
        load_chat(tmp_path, prompt.audio_pad)


def test_sizes_that_make_no_model_are_named(folder: Path, prompt: PromptFormat, tmp_path: Path) -> None:
    config = (folder / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        config.replace('"num_hidden_layers": 2', '"num_hidden_layers": -2, "hidden_act": "none"')
    )
    with pytest.raises(BaseModelError, match=r"config\.json does not describe a model"):
        load_chat(tmp_path, prompt.audio_pad)


def test_our_steps_are_transformers_forward(chat: CovoChat, questions: list[list[int]]) -> None:
    """Each greedy id is the likeliest one by transformers' own full forward over everything before it."""
    ids = questions[0]
    said = chat.generate(ids, max_new_tokens=40)
    assert len(said) == 40 > len(set(said[:20])) > 3
    rows = chat.logits(ids + said)
    assert rows[len(ids) - 1 : -1].argmax(-1).tolist() == said


def test_heard_frames_replace_the_placeholders_in_both_forwards(chat: CovoChat, folder: Path, prompt: PromptFormat) -> None:
    tokenizer = TextTokenizer(folder)
    frames = chat.audio_features(noise(30_000))
    ids = dialogue_ids(prompt, tokenizer.encode, "low", [Said("user", frames=len(frames))])
    said = chat.generate(ids, frames, max_new_tokens=20)
    rows = chat.logits(ids + said, frames)
    assert rows[len(ids) - 1 : -1].argmax(-1).tolist() == said
    assert not torch.allclose(rows, chat.logits(ids + said, 0.5 * frames))
    with pytest.raises(ValueError, match="placeholders"):
        chat.generate(ids, frames[1:])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_says_what_each_says_alone(
    chat: CovoChat, prompt: PromptFormat, questions: list[list[int]], temperature: float
) -> None:
    def choosers() -> list[FreeReply | Reading]:
        sampling = Sampling(temperature=temperature, repetition_penalty=1.05)
        free = [FreeReply(prompt, sampling, seed, max_audio_per_text=3.0) for seed in range(3)]
        return [*free, Reading(prompt, [40, 41, 42, 43, 44, 45, 46], sampling, 9)]

    prompts = [Prompt(ids) for ids in questions]
    alone = [list(chat.stream(p, c, 70)) for p, c in zip(prompts, choosers(), strict=True)]
    assert chat.batch(prompts, choosers(), 70) == alone
    assert len({len(said) for said in alone}) > 1
    assert chat.batch([], [], 70) == []


def test_a_reply_stays_inside_the_models_positions(chat: CovoChat) -> None:
    room = chat.config.max_positions
    ids = [40] * (room - 3)
    assert len(chat.generate(ids, max_new_tokens=10)) == 3
    assert len(chat.generate([40] * 5, max_new_tokens=300)) == 300
