"""The chat model's laws: placeholders, untied embeddings, our steps against transformers, batches against single rows."""

from pathlib import Path

import numpy as np
import pytest
import torch

from voicekit.covo.adapter import log_mel_segments, num_frames, to_encoder_rate
from voicekit.covo.chat import CovoChat, Prompt, load_chat
from voicekit.covo.checkpoint import read_weights, save_weights
from voicekit.covo.sampling import FreeReply, Reading, Sampling
from voicekit.covo.text import Said, TextTokenizer, dialogue_ids
from voicekit.errors import BaseModelError
from voicekit.prompt import PromptFormat

QUESTIONS = ("what is two plus three?", "hello", "which colour is the sky, and why is it so?", "say it")


@pytest.fixture(scope="module")
def questions(tiny: Path, tiny_prompt: PromptFormat) -> list[list[int]]:
    tokenizer = TextTokenizer(tiny)
    return [dialogue_ids(tiny_prompt, tokenizer.encode, "low", [Said("user", q)]) for q in QUESTIONS]


def noise(num_samples: int) -> np.ndarray:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def test_released_placeholder_counts() -> None:
    assert num_frames(56_880) == 15 and num_frames(794_400) == 207 and num_frames(720_000) == 188
    assert num_frames(239) == 0 and num_frames(240) == 1


@pytest.mark.parametrize("num_samples", [0, 100, 240, 3_841, 47_999, 48_000, 48_240, 115_000])
def test_heard_frames_are_as_many_as_placeholders(tiny_chat: CovoChat, num_samples: int) -> None:
    heard = tiny_chat.audio_features(noise(num_samples))
    assert heard.shape == (num_frames(num_samples), tiny_chat.config.hidden_size) and heard.dtype == torch.float32
    assert bool(heard.isfinite().all())


def test_a_segment_is_heard_alone(tiny_chat: CovoChat) -> None:
    """Two segments of 2 s: the second one's audio does not change what the first one sounded like."""
    both = noise(96_000)
    first = tiny_chat.audio_features(both[:48_000])
    assert torch.allclose(tiny_chat.audio_features(both)[: len(first)], first, atol=1e-6)


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


def test_embeddings_are_not_tied(tiny: Path, tiny_chat: CovoChat, tiny_prompt: PromptFormat, tmp_path: Path) -> None:
    weights = read_weights(tiny)
    assert not torch.equal(weights["llm.lm_head.weight"], weights["llm.model.embed_tokens.weight"])
    assert torch.equal(tiny_chat.llm.lm_head.weight, weights["llm.lm_head.weight"])
    assert torch.equal(tiny_chat.llm.model.embed_tokens.weight, weights["llm.model.embed_tokens.weight"])


def test_names_are_the_released_ones(tiny_chat: CovoChat) -> None:
    names = set(tiny_chat.state_dict())
    stages = [f"audio_adapter.downsample_layers.{i}.{part}.{kind}" for i in range(3) for part in ("conv1d", "linear1", "linear2")
              for kind in ("weight", "bias")]  # fmt: skip
    for name in [*stages, "llm.model.embed_tokens.weight", "llm.lm_head.weight", "encoder.conv1.weight",
                 "llm.model.layers.1.self_attn.q_proj.bias", "encoder.embed_positions.weight"]:  # fmt: skip
        assert name in names
    assert {name.split(".")[0] for name in names} == {"llm", "encoder", "audio_adapter"}


def test_weights_that_do_not_fit_are_named(tiny: Path, tiny_prompt: PromptFormat, tmp_path: Path) -> None:
    weights = read_weights(tiny)
    weights["llm.model.extra"] = weights.pop("audio_adapter.downsample_layers.2.linear2.bias")
    save_weights(weights, tmp_path)
    (tmp_path / "config.json").write_text((tiny / "config.json").read_text())
    with pytest.raises(BaseModelError, match=r"audio_adapter\.downsample_layers\.2\.linear2\.bias.*llm\.model\.extra"):
        load_chat(tmp_path, tiny_prompt.audio_pad)


def test_sizes_that_make_no_model_are_named(tiny: Path, tiny_prompt: PromptFormat, tmp_path: Path) -> None:
    config = (tiny / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        config.replace('"num_hidden_layers": 2', '"num_hidden_layers": -2, "hidden_act": "none"')
    )
    with pytest.raises(BaseModelError, match=r"config\.json does not describe a model"):
        load_chat(tmp_path, tiny_prompt.audio_pad)


def test_our_steps_are_transformers_forward(tiny_chat: CovoChat, questions: list[list[int]]) -> None:
    """Each greedy id is the likeliest one by transformers' own full forward over everything before it."""
    ids = questions[0]
    said = tiny_chat.generate(ids, max_new_tokens=40)
    assert len(said) == 40 > len(set(said[:20])) > 3
    rows = tiny_chat.logits(ids + said)
    assert rows[len(ids) - 1 : -1].argmax(-1).tolist() == said


def test_heard_frames_replace_the_placeholders_in_both_forwards(
    tiny_chat: CovoChat, tiny: Path, tiny_prompt: PromptFormat
) -> None:
    tokenizer = TextTokenizer(tiny)
    frames = tiny_chat.audio_features(noise(30_000))
    ids = dialogue_ids(tiny_prompt, tokenizer.encode, "low", [Said("user", frames=len(frames))])
    said = tiny_chat.generate(ids, frames, max_new_tokens=20)
    rows = tiny_chat.logits(ids + said, frames)
    assert rows[len(ids) - 1 : -1].argmax(-1).tolist() == said
    assert not torch.allclose(rows, tiny_chat.logits(ids + said, 0.5 * frames))
    with pytest.raises(ValueError, match="placeholders"):
        tiny_chat.generate(ids, frames[1:])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_says_what_each_says_alone(
    tiny_chat: CovoChat, tiny_prompt: PromptFormat, questions: list[list[int]], temperature: float
) -> None:
    def choosers() -> list[FreeReply | Reading]:
        sampling = Sampling(temperature=temperature, repetition_penalty=1.05)
        free = [FreeReply(tiny_prompt, sampling, seed, max_audio_per_text=3.0) for seed in range(3)]
        return [*free, Reading(tiny_prompt, [40, 41, 42, 43, 44, 45, 46], sampling, 9)]

    prompts = [Prompt(ids) for ids in questions]
    alone = [list(tiny_chat.stream(p, c, 70)) for p, c in zip(prompts, choosers(), strict=True)]
    assert tiny_chat.batch(prompts, choosers(), 70) == alone
    assert len({len(said) for said in alone}) > 1
    assert tiny_chat.batch([], [], 70) == []


def test_a_reply_stays_inside_the_models_positions(tiny_chat: CovoChat) -> None:
    room = tiny_chat.config.max_positions
    ids = [40] * (room - 3)
    assert len(tiny_chat.generate(ids, max_new_tokens=10)) == 3
    assert len(tiny_chat.generate([40] * 5, max_new_tokens=300)) == 300
