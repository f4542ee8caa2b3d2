"""nano's recipe from features to a packed base: its programs fit one another, on made-up speech and a few steps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from recipes.nano import adapter, chat, decoder, pack, phonetic_training, reading, text_tokenizer, tokens
from recipes.nano.natural_sets import SPEAKERS, answers
from recipes.nano.phone_times import phones_beside
from recipes.nano.phones import PHONES
from recipes.nano.shape import ENCODER, SEGMENT_POSITIONS, Places
from recipes.nano.stored import save_arrays
from voicekit.covo import load_base
from voicekit.covo.phonetic_tokenizer import PhoneticTokenizer
from voicekit.covo.vocoder import LOG_F0, NUM_LATENTS, VOICING

pytestmark = pytest.mark.integration


def write_features(folder: Path, rows: list[dict], rng: np.random.Generator) -> None:
    """A set of `recipes.nano.speech_features` with its phones, of noise."""
    folder.mkdir(parents=True)
    counts = rng.integers(20, 40, len(rows))
    latents = rng.standard_normal((4 * counts.sum(), NUM_LATENTS)).astype(np.float16)
    latents[:, LOG_F0] = 5.0 + 0.2 * latents[:, LOG_F0]
    latents[:, VOICING] = rng.random(len(latents)) < 0.6
    arrays = {
        "frames": rng.standard_normal((2 * counts.sum(), ENCODER["d_model"])).astype(np.float16), "latents": latents,
        "tokens": counts.astype(np.int32), "rows": np.array(json.dumps(rows)),
    }  # fmt: skip
    file = folder / "speech_0000.npz"
    save_arrays(file, arrays)
    np.save(phones_beside(file), rng.integers(len(PHONES), size=2 * counts.sum()).astype(np.uint8))


def run(program: object, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
    program.main()  # type: ignore[attr-defined]


def test_what_is_trained_is_a_base_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, random, places = np.random.default_rng(0), Random(0), Places(tmp_path / "work")
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("".join(f"This is sentence number {n}, read by nobody.\n" for n in range(200)))
    run(text_tokenizer, monkeypatch, "--work", places.work, "--sentences", sentences)
    packs = list(SPEAKERS.values())
    for name in ("natural_open", "natural-speech", "librispeech-252", "words", "questions", "test_voices"):
        texts = [f"{random.choice(('red', 'blue'))} is word {n}." for n in range(6)]
        write_features(places.features / name, [{"text": t, "voice": random.choice(packs), "named": False} for t in texts], rng)
    said = [
        {"text": line.text, "voice": line.speaker, "named": True} for line in {x.text: x for x in answers((), packs)}.values()
    ]
    said += [{**row, "voice": name} for row, name in zip(said, SPEAKERS, strict=False)]
    write_features(places.features / "answers", said, rng)
    torch.manual_seed(0)
    whisper = WhisperEncoder(WhisperConfig(**{**ENCODER, "max_source_positions": 1500})).eval()
    monkeypatch.setattr(pack, "load_whisper", lambda _: whisper)

    work, features = ("--work", places.work), ("--features", places.features)
    tokenizer = ("--tokenizer", places.phonetic / "model")
    few = ("--steps", 2)
    run(chat, monkeypatch, *work, "--typed", *few)
    run(phonetic_training, monkeypatch, *features, "--out", places.phonetic, *few, "--vq-from", 1, "--codes", 1024)
    run(tokens, monkeypatch, *tokenizer, *features, "--out", places.codes)
    run(reading, monkeypatch, *tokenizer, "--codes", places.codes, "--out", places.reading, *few)
    run(decoder, monkeypatch, *tokenizer, *features, "--out", places.decoder, *few)
    run(adapter, monkeypatch, *work, *features, *few)
    run(chat, monkeypatch, *work, *few)
    run(pack, monkeypatch, *work, "--whisper", "nowhere", "--out", tmp_path / "nano")

    base = load_base(tmp_path / "nano")
    assert set(base.info.speakers) == set(SPEAKERS) and base.material.test and base.material.rehearsal
    assert isinstance(base.own_tokenizer(), PhoneticTokenizer)
    sound = base.voice("mark").reply("what is two plus three?")
    assert all(0 <= code < 1024 for code in sound.speech)
    wave = base.voice("mark").decode(np.arange(30))
    assert np.isfinite(wave.samples).all() and wave.num_samples == 30 * 960
    assert len(base.encode_speech(wave)) == 30
    assert base.voice("mark").reply(wave).text is not None, "it listens to sound"
    size = (tmp_path / "nano" / "model.safetensors").stat().st_size
    assert size < 80e6 and base.chat is not None and SEGMENT_POSITIONS == 400
