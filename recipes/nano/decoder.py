"""Train nano's flow-matching decoder on natural speech: tokens of phonemes and melody, and a speaker -> WORLD latents.

python -m recipes.nano.decoder --tokenizer DIR --features DIR --out DIR [--steps N] [--device cpu]; resumable, step-based.

The tokens say the pitch relative to the speaker's median, which the speaker embedding holds. A crop's pitch is moved, and the
embedding's with it: so the decoder takes the one from the other, at any pitch.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW, working_type
from recipes.nano.phonetic import Phonetic
from recipes.nano.phonetic_training import READ_AGAIN_STEPS, Item, Material
from voicekit.covo.decoder import DecoderConfig, Token2Latent, flow_loss
from voicekit.covo.features import PITCH_LATENTS, speaker_vector
from voicekit.covo.layout import MOMENTS
from voicekit.covo.synthesis import Moments
from voicekit.records import FloatArray

CROP_TOKENS, BATCH = 64, 8
PEAK_RATE, WARM_UP_STEPS = 1.2e-3, 200
KEEP_TOKENS = 0.9  # share of crops whose tokens are told, for classifier-free guidance
HIGHEST_MOVE = 0.25  # of log F0: a sixth more or less
_SPEAKER_NOISE = 0.03
_SHOWN = 0.3  # at most so much of a crop is known prefix

SIZES = {"hidden": 256, "ffn": 1024, "blocks": 6, "heads": 4, "grid_points": 3, "guidance": 0.0, "speaker_pitch": True}


def moments_of(items: Sequence[Item]) -> FloatArray:
    """Mean and variance float32 [128] of raw latents, as `global_mean_var.npy` holds them."""
    raw = np.concatenate([item.latents for item in items]).astype(np.float32)
    return np.concatenate([raw.mean(0), raw.var(0)]).astype(np.float32)


def crop(item: Item, moments: Moments, rng: np.random.Generator) -> tuple[np.ndarray, FloatArray, FloatArray]:
    """Codes [N], normalised latents [4N, 64] and the speaker embedding [128] of a stretch of a clip, its pitch moved."""
    whole = moments.normalise(item.latents.astype(np.float32))
    whole[:, PITCH_LATENTS[0]] += float(rng.uniform(-HIGHEST_MOVE, HIGHEST_MOVE)) / float(moments.deviation[PITCH_LATENTS[0]])
    vector = speaker_vector(whole, with_pitch=True)
    vector = (vector + _SPEAKER_NOISE * rng.standard_normal(vector.shape)).astype(np.float32)
    codes = item.codes
    assert codes is not None
    start = int(rng.integers(max(1, len(codes) - CROP_TOKENS + 1)))
    codes = codes[start : start + CROP_TOKENS]
    return codes, whole[4 * start : 4 * (start + len(codes))], vector


def draw(material: Material, moments: Moments, rng: np.random.Generator) -> dict[str, Tensor]:
    """A batch for `flow_loss`."""
    rows = [crop(item, moments, rng) for item in material.draw(rng, BATCH)]
    longest = max(len(codes) for codes, _, _ in rows)
    tokens, latents = torch.zeros(BATCH, longest, dtype=torch.long), torch.zeros(BATCH, 4 * longest, len(moments.mean))
    hidden, real = torch.zeros(BATCH, 4 * longest, dtype=torch.bool), torch.zeros(BATCH, 4 * longest, dtype=torch.bool)
    for i, (codes, x, _) in enumerate(rows):
        tokens[i, : len(codes)] = torch.from_numpy(codes)
        latents[i, : len(x)] = torch.from_numpy(x)
        real[i, : len(x)] = True
        hidden[i, int(len(x) * rng.uniform(0.0, _SHOWN)) :] = True
    return {
        "tokens": tokens, "latents": latents, "hidden": hidden, "real": real,
        "speaker": torch.from_numpy(np.stack([vector for _, _, vector in rows])),
        "noise": torch.from_numpy(rng.standard_normal(latents.shape).astype(np.float32)),
        "t": torch.from_numpy(rng.uniform(0, 1, BATCH).astype(np.float32)),
        "keep": torch.from_numpy((rng.uniform(0, 1, BATCH) < KEEP_TOKENS).astype(np.float32)),
    }  # fmt: skip


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    material = Material(args.features, Phonetic.load(args.tokenizer))
    material.read()
    out: Path = args.out / "token2wav"
    out.mkdir(parents=True, exist_ok=True)
    if not (out / MOMENTS).exists():
        np.save(out / MOMENTS, moments_of(material.draw(rng, 400)))
    moments = Moments.load(out / MOMENTS)
    model = Token2Latent(DecoderConfig(num_codes=args.codes, **SIZES)).to(args.device)
    if args.init:
        model.load_state_dict(Token2Latent.load(args.init).state_dict())
    opt = MasterAdamW([model], decay=0.01)
    run = Run(args.out / "last.pt", args.steps, opt, rng)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters; {material}", flush=True)
    while not run.over:
        if run.step and run.step % READ_AGAIN_STEPS == 0:
            material.read()
        batch = {key: value.to(args.device) for key, value in draw(material, moments, rng).items()}
        floats = {key: batch[key].to(working_type(args.device)) for key in ("latents", "noise", "speaker", "keep")}
        loss = flow_loss(model, {**batch, **floats})
        loss.backward()
        opt.step(rate(run.step, args.steps, PEAK_RATE, WARM_UP_STEPS, 0.03))
        run.done({"flow": loss})
        if run.due(50):
            run.say(f"; {material}")
        if run.due(100):
            run.keep()
            model.save(out)


def main() -> None:
    parser = options(__doc__, steps=4000)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a saved recipes.nano.phonetic")
    parser.add_argument("--features", type=Path, required=True, help="sets of recipes.nano.speech_features with their phones")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="go on from the decoder in this folder")
    parser.add_argument("--codes", type=int, default=1024)
    train(chosen(parser))


if __name__ == "__main__":
    main()
