"""Train a larger decoder on tokens that stay as they are: codes at 25 Hz and a speaker's description -> WORLD latents.

python -m recipes.nano.phonetic_decoder --tokenizer DIR --features DIR --out DIR [--steps N] [--seed 0]; resumable, step-based.

Attention over neighbouring tokens repairs what one token leaves open. It reaches only a little ahead (`look_ahead_tokens`), so
that speech can be given out while tokens still come. What is said by absolute error alone is clear but smooth: it lacks the
voice's texture, which flow matching (Lipman et al., 2023) then draws for envelope and bands; melody and voicing stay as said.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW
from recipes.nano.phonetic import SPEAKER_DIM, Phonetic, normal_speaker, raw_latents
from recipes.nano.phonetic_training import BATCH, READ_AGAIN_STEPS, WEIGHTS, Batch, Material, collate, latent_losses
from voicekit.covo.decoder import Rotary
from voicekit.covo.phonetic_tokenizer import Block
from voicekit.covo.vocoder import LOG_F0, NUM_ENVELOPE, NUM_LATENTS
from voicekit.files import beside
from voicekit.records import FloatArray

PEAK_RATE, WARM_UP_STEPS = 1e-3, 100
MORE_WEIGHTS = {"change": 0.5, "flow": 0.5}
SPEAKER_NOISE = 0.1  # on the normalised descriptions, so that nobody's is learned by heart
FLOW_STEPS, TEMPERATURE = 6, 0.6
_TIME_WAVES = 32


@dataclass(frozen=True)
class DecoderConfig:
    num_codes: int = 1024
    hidden: int = 320
    heads: int = 5
    attention_blocks: int = 3
    spoken_blocks: int = 3
    back: int = 24
    ahead: int = 2
    kernel: int = 5
    texture_hidden: int = 256
    texture_blocks: int = 4


class Neighbours(nn.Module):
    """Attention to `back` tokens before and `ahead` after, then a feed-forward; residual. x [B, N, D]."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        d = config.hidden
        self.heads, self.back, self.ahead = config.heads, config.back, config.ahead
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 3 * d), nn.Linear(3 * d, d)
        self.rotary = Rotary(d // config.heads, 10_000.0)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        place = torch.arange(x.shape[1], device=x.device)
        away = place[None] - place[:, None]
        near = (away >= -self.back) & (away <= self.ahead)
        y = F.scaled_dot_product_attention(self.rotary(q), self.rotary(k), v, attn_mask=near)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.fc2(F.silu(self.fc1(self.norm2(x))))


class Texture(nn.Module):
    """The velocity of envelope and bands between noise (time 0) and speech (time 1)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        d, width = config.texture_hidden, 2 * LOG_F0
        self.first = nn.Linear(2 * width + config.hidden, d)
        self.time = nn.Sequential(nn.Linear(2 * _TIME_WAVES, d), nn.SiLU(), nn.Linear(d, d * config.texture_blocks))
        self.blocks = nn.ModuleList(Block(d, config.kernel) for _ in range(config.texture_blocks))
        self.last = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, width))

    def forward(self, x: Tensor, said: Tensor, features: Tensor, time: Tensor) -> Tensor:
        """x and what is said already [B, 4N, 62] at 100 Hz, features [B, 2N, D] at 50 Hz, time [B] -> [B, 4N, 62]."""
        b = len(x)
        half = features.dtype
        angle = time[:, None] * torch.exp(torch.linspace(0, 6, _TIME_WAVES))
        told = self.time(torch.cat([angle.cos(), angle.sin()], -1).to(half)).reshape(b, len(self.blocks), 1, -1)
        pairs = [part.to(half).reshape(b, -1, 2 * LOG_F0) for part in (x, said)]
        y = self.first(torch.cat([*pairs, features], -1))
        for n, block in enumerate(self.blocks):
            y = block(y + told[:, n])
        return self.last(y).float().reshape(b, -1, LOG_F0)


class PhoneticDecoder(nn.Module):
    """Codes [B, N] and normalised descriptions [B, 125] -> normalised latents [B, 4N, 64] (as `Phonetic.speak`), features."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        d = config.hidden
        self.register_buffer("latent_mean", torch.zeros(NUM_LATENTS))
        self.register_buffer("latent_std", torch.ones(NUM_LATENTS))
        self.codes = nn.Embedding(config.num_codes, d)
        self.speaker = nn.Sequential(nn.Linear(SPEAKER_DIM, d), nn.SiLU(), nn.Linear(d, 2 * d))
        self.first = Block(d, config.kernel)
        self.listening = nn.ModuleList(Neighbours(config) for _ in range(config.attention_blocks))
        self.spread = nn.Linear(d, 2 * d)
        self.speaking = nn.Sequential(*(Block(d, config.kernel) for _ in range(config.spoken_blocks)))
        self.norm = nn.LayerNorm(d)
        self.latents = nn.Linear(d, 2 * NUM_LATENTS)
        self.texture = Texture(config)

    @property
    def look_ahead_tokens(self) -> int:
        """How many tokens after its own a latent depends on."""
        side = self.config.kernel // 2
        fine = (self.config.spoken_blocks + self.config.texture_blocks) * side
        return side + self.config.attention_blocks * self.config.ahead + -(-fine // 2)

    def forward(self, codes: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        early, late = self.speaker(speaker.to(self.spread.weight))[:, None].chunk(2, -1)
        x = self.first(self.codes(codes) + early)
        for block in self.listening:
            x = block(x)
        x = self.norm(self.speaking(self.spread(x + late).reshape(len(x), -1, self.config.hidden)))
        return self.latents(x).reshape(len(x), -1, NUM_LATENTS), x

    @torch.inference_mode()
    def decode(
        self, codes: np.ndarray, speaker: FloatArray, temperature: float | None = TEMPERATURE, seed: int = 0
    ) -> FloatArray:
        """Raw WORLD latents [4N, 64] of codes [N] in the voice of a raw description [125]; without a temperature no texture."""
        told = normal_speaker(torch.from_numpy(speaker)[None], self.latent_mean, self.latent_std)
        said, features = self(torch.as_tensor(codes)[None], told)
        said = said.float()
        if temperature is not None:
            said = torch.cat([self.draw(said[..., :LOG_F0], features, temperature, seed), said[..., LOG_F0:]], -1)
        return raw_latents(said[0], self.latent_mean, self.latent_std, float(speaker[-1]))

    def draw(self, said: Tensor, features: Tensor, temperature: float, seed: int) -> Tensor:
        """Envelope and bands [B, 4N, 62] with texture, by Euler's steps from noise."""
        x = temperature * torch.randn(said.shape, generator=torch.Generator().manual_seed(seed))
        for step in range(FLOW_STEPS):
            x = x + self.texture(x, said, features, torch.full((len(x),), step / FLOW_STEPS)) / FLOW_STEPS
        return x

    def save(self, folder: Path) -> None:
        with beside(folder / "decoder.safetensors") as tmp:
            save_file({k: v.float().contiguous() for k, v in self.state_dict().items()}, tmp)
        with beside(folder / "decoder.json") as tmp:
            tmp.write_text(json.dumps(asdict(self.config), indent=1))

    @classmethod
    def load(cls, folder: Path) -> PhoneticDecoder:
        model = cls(DecoderConfig(**json.loads((folder / "decoder.json").read_text())))
        model.load_state_dict(load_file(folder / "decoder.safetensors"))
        return model.eval().requires_grad_(False)


def change_loss(model: PhoneticDecoder, said: Tensor, batch: Batch) -> Tensor:
    """How the envelope changes from frame to frame, absolute error of the normalised coefficients."""
    wanted = ((batch.latents - model.latent_mean) / model.latent_std)[..., :NUM_ENVELOPE]
    mask = batch.mask.repeat_interleave(4, 1)
    missed = (said[..., :NUM_ENVELOPE].diff(dim=1) - wanted.diff(dim=1)).abs()
    weight = model.latent_std[:NUM_ENVELOPE].sqrt()
    return (missed @ (weight / weight.sum()))[mask[:, 1:]].mean()


def flow_loss(model: PhoneticDecoder, said: Tensor, features: Tensor, batch: Batch) -> Tensor:
    """Squared error of the texture's velocity. What is said is given as it is: the flow must not make it worse."""
    wanted = ((batch.latents - model.latent_mean) / model.latent_std)[..., :LOG_F0]
    noise, time = torch.randn_like(wanted), torch.rand(len(wanted))
    x = time[:, None, None] * wanted + (1 - time[:, None, None]) * noise
    velocity = model.texture(x, said[..., :LOG_F0].detach(), features.detach(), time)
    return ((velocity - (wanted - noise)) ** 2).mean(-1)[batch.mask.repeat_interleave(4, 1)].mean()


def losses(model: PhoneticDecoder, batch: Batch) -> dict[str, Tensor]:
    """Those of the tokenizer's training that concern latents, how they change, and the flow's."""
    told = normal_speaker(batch.speaker, model.latent_mean, model.latent_std)
    said, features = model(batch.codes, told + SPEAKER_NOISE * torch.randn_like(told))
    said = said.float()
    flow = flow_loss(model, said, features, batch)
    return {**latent_losses(model, said, batch), "change": change_loss(model, said, batch), "flow": flow}


def start(tokenizer: Phonetic, hidden: int) -> PhoneticDecoder:
    """A new decoder that knows the codes' vectors from the beginning."""
    model = PhoneticDecoder(DecoderConfig(num_codes=tokenizer.config.num_codes, hidden=hidden))
    model.latent_mean.copy_(tokenizer.latent_mean)
    model.latent_std.copy_(tokenizer.latent_std)
    with torch.no_grad():
        spread = torch.randn(tokenizer.config.code_dim, hidden)
        model.codes.weight.copy_(tokenizer.codebook.vectors @ spread)
    return model


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    tokenizer = Phonetic.load(args.tokenizer)
    model = start(tokenizer, args.hidden)
    material, opt = Material(args.features, tokenizer), MasterAdamW([model])
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args.out / "last.pt", args.steps, opt, rng)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters", flush=True)
    weights = {**WEIGHTS, **MORE_WEIGHTS}
    while not run.over:
        if run.step % READ_AGAIN_STEPS == 0 or not any(material.sets.values()):
            material.read()
        found = losses(model, collate(material.draw(rng, BATCH), rng))
        sum((weights[name] * loss for name, loss in found.items()), torch.zeros(())).backward()
        opt.step(rate(run.step, args.steps, PEAK_RATE, WARM_UP_STEPS, 0.03))
        run.done(found)
        if run.due(50):
            run.say(f"; {material}")
        if run.due(100):
            run.keep()
            model.save(args.out / "model")


def main() -> None:
    parser = options(__doc__, steps=6000)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a saved recipes.nano.phonetic")
    parser.add_argument("--features", type=Path, required=True, help="sets of recipes.nano.speech_features with their phones")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hidden", type=int, default=320)
    train(chosen(parser))


if __name__ == "__main__":
    main()
