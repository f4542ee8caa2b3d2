"""Tokens become 960 samples each, whole or in pieces, and pieces sound like the whole."""

from pathlib import Path

import numpy as np
import pytest

from tests.makers import tiny_base
from voicekit.covo import synthesis, vocoder
from voicekit.covo.decoder import Before, Token2Latent
from voicekit.covo.synthesis import AudioStream, LatentStream, Moments, Synthesis
from voicekit.errors import BaseModelError
from voicekit.records import VoicePrompt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("tiny")) / "token2wav"


@pytest.fixture(scope="module")
def made(folder: Path) -> Synthesis:
    return Synthesis(Token2Latent.load(folder), Moments.load(folder / "global_mean_var.npy"), window_tokens=60)


@pytest.fixture(scope="module")
def prompt() -> VoicePrompt:
    return VoicePrompt(np.arange(8), np.zeros((32, 64), np.float32), np.zeros(128, np.float32))


def codes(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 64, count)


@pytest.mark.parametrize("count", [0, 1, 39, 40, 41, 150])
def test_every_token_is_four_latents_and_960_samples(made: Synthesis, prompt: VoicePrompt, count: int) -> None:
    latents, samples = made.latents(codes(count), prompt), made.audio(codes(count), prompt)
    assert latents.shape == (4 * count, 64) and samples.shape == (960 * count,)
    assert samples.dtype == np.float32 and bool(np.isfinite(samples).all())


def test_the_decoder_never_sees_more_than_its_window(
    made: Synthesis, prompt: VoicePrompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    sample = Token2Latent.sample

    def watched(self: Token2Latent, tokens: np.ndarray, prompt: VoicePrompt, before: Before | None = None) -> np.ndarray:
        seen.append(len(prompt.tokens) + (len(before[0]) if before else 0) + len(tokens))
        return sample(self, tokens, prompt, before)

    monkeypatch.setattr(Token2Latent, "sample", watched)
    made.latents(codes(200), prompt)
    assert max(seen) <= 60 and len(seen) > 3


def test_a_short_reply_is_decoded_at_once(made: Synthesis, prompt: VoicePrompt) -> None:
    whole = made.decoder.sample(codes(30), prompt)
    assert np.array_equal(made.latents(codes(30), prompt), whole)


def test_a_long_prompt_leaves_room_for_speech(made: Synthesis) -> None:
    long = VoicePrompt(
        np.arange(50), np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32), np.ones(128, np.float32)
    )
    used = made.fitting(long)
    assert used.tokens.tolist() == list(range(29, 50))
    assert np.array_equal(used.latents, long.latents[116:]) and used.speaker is long.speaker
    assert LatentStream(made, long).room == 60 - 21


@pytest.mark.parametrize("sizes", [[1], [15, 30, 5], [15, 30, 30, 30, 30, 30, 30, 30, 7], [2, 1, 1, 40, 1]])
def test_streamed_samples_joined_are_960_a_token(made: Synthesis, prompt: VoicePrompt, sizes: list[int]) -> None:
    stream = AudioStream(made, prompt)
    all_codes = codes(sum(sizes))
    starts = np.cumsum([0, *sizes[:-1]])
    parts = [stream.push(all_codes[a : a + n].tolist()) for a, n in zip(starts, sizes, strict=True)] + [stream.finish()]
    joined = np.concatenate(parts)
    assert joined.shape == (960 * sum(sizes),) and bool(np.isfinite(joined).all())
    if sizes[0] == 15:
        assert len(parts[0]) > 9_600, "the first piece is not held back"


def test_streamed_pieces_have_no_seams(made: Synthesis, prompt: VoicePrompt) -> None:
    """What was given out is what the vocoder makes of all latents together, up to what a frame still hears of the next."""
    stream = AudioStream(made, prompt)
    latents = LatentStream(made, prompt)
    parts = []
    for size in (15, 30, 30):
        parts.append(stream.push(codes(size).tolist()))
        latents.extend(codes(size))
    parts.append(stream.finish())
    latents.extend(np.zeros(0, np.int64), last=True)
    whole = vocoder.synthesise(made.moments.denormalise(latents.latents))
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-3


def test_a_long_stream_is_not_synthesised_from_its_beginning(
    made: Synthesis, prompt: VoicePrompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    real = vocoder.synthesise

    def watched(latents: np.ndarray) -> np.ndarray:
        lengths.append(len(latents))
        return real(latents)

    monkeypatch.setattr(synthesis.vocoder, "synthesise", watched)
    stream = AudioStream(made, prompt)
    joined = np.concatenate([*[stream.push(codes(30).tolist()) for _ in range(20)], stream.finish()])
    assert joined.shape == (960 * 600,)
    assert max(lengths) <= synthesis.MOST_LATENTS + 4 * 32
    assert np.abs(np.diff(joined)).max() <= np.abs(np.diff(made.audio(codes(600), prompt))).max() * 1.5


def test_moments_are_undone_and_refused_when_wrong(folder: Path, tmp_path: Path) -> None:
    moments = Moments.load(folder / "global_mean_var.npy")
    raw = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    assert np.allclose(moments.denormalise(moments.normalise(raw)), raw, atol=1e-4)
    for wrong in (np.zeros(128, np.float32), np.ones(7, np.float32), np.zeros(0, np.float32)):
        np.save(tmp_path / "global_mean_var.npy", wrong)
        with pytest.raises(BaseModelError, match="positive variances"):
            Moments.load(tmp_path / "global_mean_var.npy")
    with pytest.raises(BaseModelError, match="cannot be read"):
        Moments.load(tmp_path / "nothing.npy")
