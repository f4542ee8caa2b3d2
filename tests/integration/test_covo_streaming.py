"""Speech decoded in pieces, with trained models: how near it is to speech decoded at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.makers import tiny_base
from tests.released import EXCERPT, write_released
from voicekit.covo import load_base
from voicekit.covo.convert import convert
from voicekit.covo.synthesis import AudioStream, LatentStream, Synthesis
from voicekit.errors import BaseModelError
from voicekit.records import VoicePrompt, Waveform
from voicekit.shipped import shipped
from voicekit.storage import write_prompt

PIECES = (15, 30, 5)


def streamed(synthesis: Synthesis, codes: np.ndarray, prompt: VoicePrompt) -> tuple[np.ndarray, np.ndarray]:
    """The latents and the samples of a stream."""
    latents, audio = LatentStream(synthesis, prompt), AudioStream(synthesis, prompt)
    samples: list[np.ndarray] = []
    for piece in np.split(codes, np.cumsum(PIECES)[:-1]):
        latents.extend(piece)
        samples.append(audio.push(piece.tolist()))
    latents.extend(codes[:0], last=True)
    return latents.latents, np.concatenate([*samples, audio.finish()])


def test_nanos_latents_in_pieces_are_near_those_made_at_once() -> None:
    base = load_base(shipped("assets/nano"))
    prompt = base.decoder.fitting(base.neutral_prompt())
    text = "hello my friend, the sky is blue and the sea is cold today."
    codes = np.tile(base.voice("ada").speak(text), 2)[: sum(PIECES)]
    whole = base.decoder.latents(codes, prompt)
    latents, samples = streamed(base.decoder, codes, prompt)
    assert np.sqrt(np.mean((latents - whole) ** 2)) < 0.2 < 0.5 < np.sqrt(np.mean(whole**2))
    assert samples.shape == (960 * len(codes),)
    at_once = base.decoder.decode(codes, prompt)
    assert np.array_equal(at_once, base.decoder.audio(codes, prompt)), "what fits the window is decoded as the release does it"


def test_the_recorded_vocoder_in_pieces_is_the_whole(tmp_path: Path) -> None:
    spoken = np.load(EXCERPT / "decoder.npz")
    decoder = load_base(write_released(tmp_path)).decoder
    prompt = VoicePrompt(spoken["prompt_token"][0], spoken["prompt_latent"][0], spoken["speaker_embed"][0])
    latents, samples = streamed(decoder, np.tile(spoken["tokens"][0], 2)[: sum(PIECES)], prompt)
    whole = decoder.sound.synthesise(decoder.moments.denormalise(latents))
    assert np.abs(samples - whole).max() < 1e-4


def test_a_base_with_bigvgan_speaks_as_one_with_world_does(tmp_path: Path) -> None:
    """The tiny base with the recorded decoder: replies, streamed or not, 960 samples a token."""
    folder = tiny_base(tmp_path / "tiny", vocoder="bigvgan")
    shutil.rmtree(folder / "token2wav")
    convert(write_released(tmp_path / "released"), tmp_path / "converted")
    shutil.copytree(tmp_path / "converted" / "token2wav", folder / "token2wav")
    spoken = np.load(EXCERPT / "decoder.npz")
    prompt = VoicePrompt(spoken["prompt_token"][0], spoken["prompt_latent"][0], spoken["speaker_embed"][0])
    write_prompt(folder / "voice_prompts" / "neutral.safetensors", prompt)
    voice = load_base(folder).voice("low")
    reply, deltas = voice.reply("hello", seed=3), list(voice.stream("hello", seed=3))
    assert [code for delta in deltas for code in delta.codes] == reply.speech.tolist() and len(reply.speech)
    assert sum(len(delta.samples) for delta in deltas) == 960 * len(reply.speech)
    assert voice.decode(reply.speech).samples.shape == (1, 960 * len(reply.speech))
    with pytest.raises(BaseModelError, match="not latents of sound"):
        load_base(folder).copy_synthesis(Waveform(np.zeros((1, 960), np.float32), 24_000))
