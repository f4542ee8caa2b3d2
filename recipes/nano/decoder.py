"""Train nano's flow-matching decoder: speech tokens and a speaker -> WORLD latents.

python -m recipes.nano.decoder --work DIR [--steps N] [--device cpu]; resumable, step-based.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW, working_type
from recipes.nano.shape import NUM_CODES, Places
from recipes.nano.tokens import read
from voicekit.covo.decoder import DecoderConfig, Token2Latent, flow_loss
from voicekit.covo.features import PITCH_LATENTS, speaker_vector
from voicekit.records import FloatArray, IntArray

CROP_TOKENS = 60
BATCH = 8
PEAK_RATE = 1.2e-3
WARM_UP_STEPS = 200


@dataclass(frozen=True, eq=False)
class Clip:
    """Codes int64 [N], normalised latents float32 [4N, 64] and whose voice it is."""

    codes: IntArray
    latents: FloatArray
    voice: str


def load(work: Path) -> tuple[list[Clip], FloatArray]:
    """All clips, and mean and variance float32 [128] of the raw latents."""
    data = np.load(work / "latents.npz")
    raw = data["latents"].astype(np.float32)
    mean, var = raw.mean(0), raw.var(0)
    normal = (raw - mean) / np.sqrt(var)
    frames = [row["frames"] for row in json.loads(str(data["rows"]))]
    parts = np.split(normal, np.cumsum(frames)[:-1])
    codes = read(Places(work).codes / "latents.npz")
    clips = [Clip(c, x, row["voice"]) for (c, row), x in zip(codes, parts, strict=True) if len(c) >= 12]
    return clips, np.concatenate([mean, var]).astype(np.float32)


def draw(
    clips: list[Clip], by_voice: dict[str, list[Clip]], rng: np.random.Generator, keep_prob: float = 0.8
) -> dict[str, Tensor]:
    """A batch for `flow_loss`: crops with a hidden tail of 70-100 %, the speaker from the same or another clip of the voice."""
    rows = []
    for _ in range(BATCH):
        clip = clips[int(rng.integers(len(clips)))]
        start = int(rng.integers(max(1, len(clip.codes) - CROP_TOKENS + 1)))
        codes = clip.codes[start : start + CROP_TOKENS]
        rows.append((codes, clip.latents[4 * start : 4 * (start + len(codes))], voice_of(clip, by_voice, rng)))
    longest = max(len(c) for c, _, _ in rows)
    tokens, latents = torch.zeros(BATCH, longest, dtype=torch.long), torch.zeros(BATCH, 4 * longest, 64)
    hidden, real = torch.zeros(BATCH, 4 * longest, dtype=torch.bool), torch.zeros(BATCH, 4 * longest, dtype=torch.bool)
    for i, (codes, x, _) in enumerate(rows):
        tokens[i, : len(codes)] = torch.from_numpy(codes)
        latents[i, : len(x)] = torch.from_numpy(x)
        real[i, : len(x)] = True
        hidden[i, int(len(x) * rng.uniform(0.0, 0.3)) :] = True
    speakers = torch.stack([torch.from_numpy(s) for _, _, s in rows])
    # Pitch is said by the tokens: what is known before them may lie about it.
    known = latents.clone()
    known[:, :, PITCH_LATENTS[0]] += torch.from_numpy(rng.normal(0, 1.2, (BATCH, 1)) * (rng.random((BATCH, 1)) < 0.6)).float()
    return {"tokens": tokens, "latents": latents, "known": known, "hidden": hidden, "real": real, "speaker": speakers,
            "noise": torch.from_numpy(rng.standard_normal(latents.shape).astype(np.float32)),
            "t": torch.from_numpy(rng.uniform(0, 1, BATCH).astype(np.float32)),
            "keep": torch.from_numpy((rng.uniform(0, 1, BATCH) < keep_prob).astype(np.float32))}  # fmt: skip


def voice_of(clip: Clip, by_voice: dict[str, list[Clip]], rng: np.random.Generator) -> FloatArray:
    others = by_voice[clip.voice]
    chosen = others[int(rng.integers(len(others)))] if rng.random() < 0.6 else clip
    vector = speaker_vector(chosen.latents)
    return (vector + 0.03 * rng.standard_normal(vector.shape)).astype(np.float32)


def train(work: Path, steps: int, device: str, seed: int, init: Path | None) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    clips, moments = load(work)
    by_voice: dict[str, list[Clip]] = {}
    for clip in clips:
        by_voice.setdefault(clip.voice, []).append(clip)
    out = Places(work).decoder
    out.mkdir(parents=True, exist_ok=True)
    model = Token2Latent(DecoderConfig(num_codes=NUM_CODES, grid_points=3, guidance=0.0)).to(device)
    if init:
        model.load_state_dict(Token2Latent.load(init / "token2wav").state_dict())
    opt = MasterAdamW([model], decay=0.01)
    run = Run(out / "last.pt", steps, opt, rng)
    while not run.over:
        batch = {k: v.to(device) for k, v in draw(clips, by_voice, rng).items()}
        floats = {k: batch[k].to(working_type(device)) for k in ("latents", "known", "noise", "speaker", "keep")}
        loss = flow_loss(model, {**batch, **floats})
        loss.backward()
        opt.step(rate(run.step, steps, PEAK_RATE, WARM_UP_STEPS, floor=0.03))
        run.done({"flow": loss})
        if run.due(100):
            run.say()
            run.keep()
        if run.due(500):
            model.save(out / "token2wav")
            np.save(out / "token2wav" / "global_mean_var.npy", moments)


def main() -> None:
    parser = options(__doc__, steps=3000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="go on from this packed base's weights")
    args = chosen(parser)
    train(args.work, args.steps, args.device, args.seed, args.init)


if __name__ == "__main__":
    main()
