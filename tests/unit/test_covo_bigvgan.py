"""BigVGAN looks exactly as far ahead and back as it says, so that pieces made with that context are the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voicekit.covo.bigvgan import Activation, BigVGAN, BigVGANConfig, low_pass
from voicekit.covo.decoder import DecoderConfig, Token2Latent
from voicekit.covo.synthesis import AudioStream, LatentStream, Moments, Synthesis
from voicekit.errors import BaseModelError
from voicekit.records import VoicePrompt

SIZES = [
    BigVGANConfig(latents=8, channels=64),
    BigVGANConfig(latents=4, channels=16, rates=(8, 10, 3), kernels=(3, 5), dilations=((1, 2), (2, 6, 3))),
]


def vocoder(config: BigVGANConfig, seed: int = 0) -> BigVGAN:
    """Random, with gains at which it neither falls silent nor saturates."""
    torch.manual_seed(seed)
    made = BigVGAN(config).eval().requires_grad_(False)
    for name, p in made.named_parameters():
        if name.endswith("weight_v"):
            p.normal_()
        elif name.endswith("weight_g"):
            p.fill_(0.5)
        else:
            p.uniform_(-0.3, 0.3)
    return made.fold()


@pytest.fixture(scope="module", params=SIZES, ids=["released rates", "other rates"])
def made(request: pytest.FixtureRequest) -> BigVGAN:
    return vocoder(request.param)


def noise(frames: int, width: int) -> np.ndarray:
    return np.random.default_rng(frames).standard_normal((frames, width)).astype(np.float32)


def test_the_released_sizes_look_130_ms_ahead() -> None:
    with torch.device("meta"):
        released = BigVGAN(BigVGANConfig())
    assert (released.samples_per_latent, released.look_ahead_latents, released.context_latents) == (240, 13, 54)


def test_a_latent_is_heard_just_as_far_as_is_said(made: BigVGAN) -> None:
    """By gradients: which latents a sample depends on at all, however faintly."""
    made.double()
    behind, before, hop = made.look_ahead_latents, made.context_latents, made.samples_per_latent
    frames = behind + before + 9
    latents = torch.from_numpy(noise(frames, made.config.latents).T[None].copy()).double().requires_grad_()
    place = before + 4
    samples = made(latents)[0, hop * place : hop * (place + 1)]
    heard = torch.zeros(frames, dtype=torch.bool)
    for sample in (samples[0], samples[-1]):
        (slope,) = torch.autograd.grad(sample, latents, retain_graph=True)
        heard |= slope[0].abs().amax(0) > 0
    made.float()
    found = heard.nonzero().flatten().tolist()
    assert place - before <= found[0] and found[-1] == place + behind
    assert found[0] <= place - before // 2, "the context is not much more than is needed"


def test_pieces_with_their_context_are_the_whole(made: BigVGAN) -> None:
    latents = noise(150, made.config.latents)
    whole, hop = made.synthesise(latents), made.samples_per_latent
    assert whole.shape == (150 * hop,) and whole.dtype == np.float32 and np.abs(whole).max() <= 1
    start, stop = 97, 120
    first = start - made.context_latents
    piece = made.synthesise(latents[first : stop + made.look_ahead_latents])[(start - first) * hop :][: (stop - start) * hop]
    assert np.abs(piece - whole[start * hop : stop * hop]).max() < 1e-5
    assert made.synthesise(latents[:0]).shape == (0,)
    with pytest.raises(BaseModelError, match="not latents of sound"):
        made.analyse(whole)


def test_the_filter_passes_low_and_stops_high_tones() -> None:
    t = torch.arange(400) / 400
    taps = low_pass().flatten()
    assert float(taps.sum()) == pytest.approx(1.0, abs=1e-6) and torch.equal(taps, taps.flip(0))
    straight = Activation(1)
    straight.act = torch.nn.Identity()  # type: ignore[assignment]
    low, high = torch.sin(2 * torch.pi * 20 * t)[None, None], torch.sin(2 * torch.pi * 190 * t)[None, None]
    assert float((straight(low) - low).abs()[..., 20:-20].max()) < 0.02
    assert float(straight(high).abs()[..., 20:-20].max()) < 0.6


@pytest.fixture(scope="module")
def synthesis() -> Synthesis:
    torch.manual_seed(0)
    sizes = DecoderConfig(num_codes=64, token_dim=8, hidden=32, heads=2, ffn=32, blocks=1, latents=8, speaker_dim=6,
                          conv_groups=4, time_dim=16, grid_points=2)  # fmt: skip
    moments = Moments(np.full(8, 0.1, np.float32), np.full(8, 1.5, np.float32))
    return Synthesis(Token2Latent(sizes).eval().requires_grad_(False), moments, 60, vocoder(SIZES[0]))


@pytest.fixture(scope="module")
def prompt() -> VoicePrompt:
    return VoicePrompt(np.arange(8), noise(32, 8), np.ones(6, np.float32))


@pytest.mark.parametrize("sizes", [[15, 30, 30, 7], [1, 2, 40, 1, 1, 25], [3]])
def test_streamed_speech_is_the_whole_one(synthesis: Synthesis, prompt: VoicePrompt, sizes: list[int]) -> None:
    """Within 1e-4 of full scale of what the vocoder makes of the same latents at once; the last piece is not late."""
    stream, latents = AudioStream(synthesis, prompt), LatentStream(synthesis, prompt)
    parts = []
    for size in sizes:
        codes = np.random.default_rng(size).integers(0, 64, size)
        parts.append(stream.push(codes.tolist()))
        latents.extend(codes)
    parts.append(stream.finish())
    latents.extend(np.zeros(0, np.int64), last=True)
    whole = synthesis.sound.synthesise(synthesis.moments.denormalise(latents.latents))
    joined = np.concatenate(parts)
    assert joined.shape == whole.shape == (960 * sum(sizes),) and 0.1 < np.abs(whole).max() < 0.999
    assert np.abs(joined - whole).max() < 1e-4
    if sizes[0] == 15:
        assert len(parts[0]) == 240 * (4 * 15 - 4 * 2 - 13), "held back: two tokens and the look-ahead"


def test_a_stream_makes_only_what_is_new_and_its_context(
    synthesis: Synthesis, prompt: VoicePrompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    real = BigVGAN.synthesise

    def watched(self: BigVGAN, latents: np.ndarray) -> np.ndarray:
        lengths.append(len(latents))
        return real(self, latents)

    monkeypatch.setattr(BigVGAN, "synthesise", watched)
    stream = AudioStream(synthesis, prompt)
    for _ in range(6):
        stream.push(list(range(30)))
    assert max(lengths) <= 54 + 120 + 13
