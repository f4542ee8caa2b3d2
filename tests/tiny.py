"""A complete base directory with a very small random model: everything runs, nothing makes sense."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

SPEAKERS = ("low", "mid", "high")
NUM_CODES = 64
SAMPLE_TEXT = (
    "what is two plus three? five. the answer is seven. read this: a small house by the sea. "
    "which colour is the sky? the sky is blue. say hello to me, please. hello, my friend."
)


def write_tiny_base(folder: Path, seed: int = 0, **card: Any) -> Path:
    """Write the base; `card` changes entries of base.json. About a second and half a megabyte."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        num_text = _tokenizer(folder)
        _chat(folder, num_text)
        _speech_parts(folder)
    entries: dict[str, Any] = {
        "name": "tiny",
        "kind": "covo_audio",
        "licence": "Apache-2.0",
        "languages": ["en"],
        "speakers": list(SPEAKERS),
        "default_speaker": SPEAKERS[0],
        "control": "answer in text and speech, speaker: {speaker}",
        "vocoder": "world",
        "max_new_tokens": 60,
    }
    (folder / "base.json").write_text(json.dumps(entries | card, indent=1))
    _material(folder)
    return folder


def _tokenizer(folder: Path) -> int:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, min_frequency=1
    )
    tokenizer.train_from_iterator([SAMPLE_TEXT], trainer)
    names = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begofcAUDIO|>", "<|cAUDIO|>", "<|endofcAUDIO|>")
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return int(tokenizer.get_vocab_size())


def _chat(folder: Path, num_text: int) -> None:
    import torch

    from voicekit.covo.chat import CovoChat
    from voicekit.covo.checkpoint import save_weights
    from voicekit.covo.config import read_chat_config

    config = {
        "model_type": "covo_audio",
        "dtype": "float32",
        "audio_token_index": num_text,
        "adapter_downsample": 8,
        "adapter_hidden": 32,
        "llm_config": {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 64,
            "vocab_size": num_text + NUM_CODES,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "initializer_range": 0.2,
        },
        "encoder_config": {
            "d_model": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "num_mel_bins": 80,
            "max_source_positions": 100,
            "decoder_layers": 1,
            "init_std": 0.2,
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    model = CovoChat(read_chat_config(folder), audio_pad=0)
    with torch.no_grad():
        # Speech a little likelier than text, so that replies hold both.
        model.llm.lm_head.weight[num_text:] *= 1.6
    save_weights(model.state_dict(), folder)


def _speech_parts(folder: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    from voicekit.covo.decoder import DecoderConfig, Token2Latent
    from voicekit.covo.speech_tokenizer import SpeechTokenizer, SpeechTokenizerConfig

    sizes = SpeechTokenizerConfig(
        hidden=16, heads=2, ffn=32, kernel=5, encoder_layers=1, reader_layers=1, num_codes=NUM_CODES, code_dim=8
    )
    SpeechTokenizer(sizes).save(folder / "speech_tokenizer")
    decoder = Token2Latent(
        DecoderConfig(
            num_codes=NUM_CODES, token_dim=8, hidden=32, heads=2, ffn=32, blocks=1, conv_groups=4, time_dim=16, grid_points=2
        )
    )
    decoder.save(folder / "token2wav")
    np.save(folder / "token2wav" / "global_mean_var.npy", _moments())
    (folder / "voice_prompts").mkdir(exist_ok=True)
    neutral = {
        "tokens": np.arange(8, dtype=np.int64),
        "latents": np.zeros((32, decoder.config.latents), np.float32),
        "speaker": np.zeros(decoder.config.speaker_dim, np.float32),
    }
    save_file(neutral, folder / "voice_prompts" / "neutral.safetensors")


def hum(seconds: float, pitch_hz: float = 120.0) -> Any:
    """float32 [T] at 24 kHz: a buzzing tone with breaks, something a vocoder can analyse."""
    import numpy as np

    t = np.arange(int(24_000 * seconds)) / 24_000
    tone = sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 20))
    breath = np.random.default_rng(0).normal(0, 0.02, len(t))
    return (0.1 * tone * (t % 0.5 < 0.4) + breath).astype(np.float32)


def _moments() -> Any:
    """Mean and variance float32 [128] of latents of something like a voice."""
    import numpy as np

    from voicekit.covo.vocoder import analyse

    raw = analyse(hum(0.6))
    return np.concatenate([raw.mean(0), raw.var(0) + 1e-3]).astype(np.float32)


def _material(folder: Path) -> None:
    words = ("one", "two", "three", "four", "five", "six")
    lines = [
        {"split": split, "text": f"what is {a} plus {b}?", "answer": f"{a} and {b}", "domain": "sums"}
        for i, a in enumerate(words)
        for j, b in enumerate(words)
        for split in [("train", "dev", "test")[(i + j) % 3]]
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    dialogues = ""
    for number, line in enumerate(lines[:12]):
        speech = [(number + k) % NUM_CODES for k in range(20)]
        turns = [{"role": "user", "text": line["text"]}, {"role": "assistant", "text": line["answer"], "speech": speech}]
        dialogues += json.dumps({"speaker": SPEAKERS[number % 3], "turns": turns}) + "\n"
    (folder / "rehearsal.jsonl.gz").write_bytes(gzip.compress(dialogues.encode(), mtime=0))
