"""Train the speech tokenizer of phonemes and melody together with a first speaker of its tokens.

python -m recipes.nano.phonetic_training --features DIR --out DIR [--steps N] [--vq-from N] [--seed 0]; resumable, step-based.

Losses, all behind the VQ layer: phonemes by frame (cross-entropy), Whisper's frames (squared error), WORLD latents given the
speaker (absolute error, F0 where voiced), voicing. Sets that grow are read again now and then.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW
from recipes.nano.phone_times import phones_beside
from recipes.nano.phones import PHONES, UNKNOWN
from recipes.nano.phonetic import Phonetic, PhoneticConfig, TrainedCodebook, describe, normal_speaker
from recipes.nano.speech_features import load_file
from voicekit.covo.phonetic_tokenizer import F0_SCALE, melody_of
from voicekit.covo.vocoder import LOG_F0, NUM_ENVELOPE, VOICING

SHARES = {"natural_open": 0.35, "natural-speech": 0.3, "librispeech-252": 0.35}
CROP_TOKENS, BATCH = 72, 16
PEAK_RATE, WARM_UP_STEPS = 1.5e-3, 100
READ_AGAIN_STEPS = 300
KMEANS_CROPS = 480
FRAME_DROPOUT = 0.1
EMA_DECAY, DEAD = 0.99, 0.01
WEIGHTS = {"phones": 1.0, "frames": 0.5, "latents": 1.0, "bands": 0.2, "pitch": 0.3, "voicing": 0.3, "commit": 0.25}


@dataclass(frozen=True, eq=False)
class Item:
    """A clip of N tokens as it is trained on: frames float16 [2N, 512], latents float16 [4N, 64], phones uint8 [2N],
    melody float16 [2N, 3], speaker float32 [125]; codes int64 [N] once there is a tokenizer."""

    frames: np.ndarray
    latents: np.ndarray
    phones: np.ndarray
    melody: np.ndarray
    speaker: np.ndarray
    codes: np.ndarray | None = None


class Material:
    """The prepared sets; files that appear later are found by `read`. With a tokenizer the clips get their codes."""

    def __init__(self, features: Path, tokenizer: Phonetic | None = None) -> None:
        self._features, self._shares, self._tokenizer = features, SHARES, tokenizer
        self._read: set[Path] = set()
        self.sets: dict[str, list[Item]] = {name: [] for name in SHARES}

    def read(self) -> None:
        """Take in the files that have labels and were not read before."""
        for name, items in self.sets.items():
            for path in sorted((self._features / name).glob("speech_*.npz")):
                if path not in self._read and phones_beside(path).exists():
                    self._read.add(path)
                    items += [self._with_codes(item) for item in items_of(path)]

    def _with_codes(self, item: Item) -> Item:
        if self._tokenizer is None:
            return item
        return replace(item, codes=self._tokenizer.encode(item.frames, item.latents))

    def draw(self, rng: np.random.Generator, count: int) -> list[Item]:
        """By the sets' shares, and inside a set by length; clips without a word known are left out."""
        names = [name for name, items in self.sets.items() if items]
        shares = np.array([self._shares[name] for name in names])
        picked: list[Item] = []
        for name, number in zip(names, rng.multinomial(count, shares / shares.sum()), strict=True):
            items = self.sets[name]
            lengths = np.array([len(item.latents) for item in items], float)
            picked += [items[i] for i in rng.choice(len(items), number, p=lengths / lengths.sum())]
        return picked

    def __str__(self) -> str:
        hours = {name: sum(len(i.latents) for i in items) / 360_000 for name, items in self.sets.items()}
        return ", ".join(f"{name} {found:.2f} h" for name, found in hours.items())


def items_of(path: Path) -> list[Item]:
    """The clips of one prepared file whose phonemes are known."""
    labels, start, items = np.load(phones_beside(path)), 0, []
    for clip in load_file(path):
        phones = labels[start : start + len(clip.frames)]
        start += len(clip.frames)
        if (phones != UNKNOWN).any():
            latents = clip.latents.astype(np.float32)
            items.append(Item(clip.frames, clip.latents, phones, melody_of(latents).astype(np.float16), describe(latents)))
    return items


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops of N tokens: frames [B, 2N, 512] raw, melody [B, 2N, 3], phones int64 [B, 2N], latents [B, 4N, 64] raw,
    speaker [B, 125] raw, mask bool [B, N], codes int64 [B, N] (0 without a tokenizer)."""

    frames: Tensor
    melody: Tensor
    phones: Tensor
    latents: Tensor
    speaker: Tensor
    mask: Tensor
    codes: Tensor


def collate(items: Sequence[Item], rng: np.random.Generator, crop: int = CROP_TOKENS) -> Batch:
    """Crops of so many tokens; shorter clips are padded."""
    starts = [int(rng.integers(max(1, len(item.latents) // 4 - crop + 1))) for item in items]

    def cut(arrays: Sequence[np.ndarray], rate: int, fill: float = 0.0) -> Tensor:
        out = np.full((len(items), rate * crop, *arrays[0].shape[1:]), fill, np.float32)
        for row, (array, start) in enumerate(zip(arrays, starts, strict=True)):
            part = array[rate * start : rate * (start + crop)]
            out[row, : len(part)] = part
        return torch.from_numpy(out)

    mask = torch.tensor([[start + n < len(i.latents) // 4 for n in range(crop)] for i, start in zip(items, starts, strict=True)])
    return Batch(
        cut([i.frames for i in items], 2),
        cut([i.melody for i in items], 2),
        cut([i.phones for i in items], 2, UNKNOWN).long(),
        cut([i.latents for i in items], 4),
        torch.from_numpy(np.stack([i.speaker for i in items])),
        mask,
        cut([i.codes if i.codes is not None else np.zeros(len(i.latents) // 4) for i in items], 1).long(),
    )


def quantise(book: TrainedCodebook, unit: Tensor, mask: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Straight-through code vectors and the commitment loss of unit vectors [B, N, dim]; the codebook follows them."""
    codes = book.nearest(unit.detach())
    with torch.no_grad():
        flat, ids = unit.detach()[mask], codes[mask]
        book.count.mul_(EMA_DECAY).index_add_(0, ids, torch.full((len(ids),), 1 - EMA_DECAY))
        book.total.mul_(EMA_DECAY).index_add_(0, ids, (1 - EMA_DECAY) * flat)
        book.vectors.copy_(F.normalize(book.total + 1e-6 * book.vectors, dim=-1))
        dead = (book.count < DEAD).nonzero()[:, 0]
        if len(dead):
            fresh = flat[torch.randint(len(flat), (len(dead),), generator=rng)]
            book.vectors[dead], book.total[dead], book.count[dead] = fresh, 0.1 * fresh, torch.tensor(0.1)
    said = book.vectors[codes]
    commit = ((unit - said) ** 2).sum(-1)[mask].mean()
    return unit + (said - unit).detach(), commit


@torch.no_grad()
def start_codebook(book: TrainedCodebook, vectors: Tensor, tokens: int, rounds: int = 12) -> None:
    """k-means on unit vectors [M, dim]; the counts become those of a step of so many tokens."""
    centres = vectors[torch.randperm(len(vectors))[: len(book.vectors)]].clone()
    centres = torch.cat([centres, F.normalize(torch.randn(len(book.vectors) - len(centres), vectors.shape[1]), dim=-1)])
    for _ in range(rounds):
        ids = (vectors @ centres.T).argmax(-1)
        total = torch.zeros_like(centres).index_add_(0, ids, vectors)
        empty = total.norm(dim=-1) < 1e-6
        total[empty] = vectors[torch.randint(len(vectors), (int(empty.sum()),))]
        centres = F.normalize(total, dim=-1)
    count = torch.bincount((vectors @ centres.T).argmax(-1), minlength=len(centres)).float()
    book.vectors.copy_(centres)
    book.count.copy_(count / len(vectors) * tokens)
    book.total.copy_(centres * book.count[:, None])


def losses(model: Phonetic, batch: Batch, *, vq: bool) -> dict[str, Tensor]:
    """Every loss of WEIGHTS that applies."""
    frames, half = model.normal_frames(batch.frames), model.from_melody.weight.dtype
    seen = F.dropout(frames, FRAME_DROPOUT, model.training)
    unit = model.vectors(seen, batch.melody.to(half))
    vectors, commit = quantise(model.codebook, unit, batch.mask) if vq else (unit, None)
    hidden = model.read(vectors)
    logits = model.phones(hidden).float().reshape(-1, len(PHONES))
    found = {"phones": F.cross_entropy(logits, batch.phones.flatten(), ignore_index=UNKNOWN)}
    missed = (model.frames(hidden).reshape(frames.shape) - frames).float() ** 2
    found["frames"] = missed.mean(-1).reshape(len(frames), -1, 2).mean(-1)[batch.mask].mean()
    told = normal_speaker(batch.speaker, model.latent_mean, model.latent_std)
    found |= latent_losses(model, model.speak(hidden, told), batch)
    return found if commit is None else found | {"commit": commit}


class Normalised(Protocol):
    """What knows mean and deviation of raw latents."""

    latent_mean: Tensor
    latent_std: Tensor


def latent_losses(model: Normalised, said: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Of normalised latents [B, 4N, 64] against the batch's own."""
    mask = batch.mask.repeat_interleave(4, 1)
    wanted, raw = (batch.latents - model.latent_mean) / model.latent_std, batch.latents
    said = said.float()
    weight = model.latent_std[:NUM_ENVELOPE].sqrt()
    missed = (said - wanted).abs()
    voiced = mask & (raw[..., VOICING] > 0.5)
    pitch = F0_SCALE * (raw[..., LOG_F0] - batch.speaker[:, -1:])
    return {
        "latents": (missed[..., :NUM_ENVELOPE] @ (weight / weight.sum()))[mask].mean(),
        "bands": missed[..., NUM_ENVELOPE:LOG_F0].mean(-1)[mask].mean(),
        "pitch": (said[..., LOG_F0] - pitch).abs()[voiced].mean(),
        "voicing": F.binary_cross_entropy_with_logits(said[..., VOICING], raw[..., VOICING], reduction="none")[mask].mean(),
    }


def set_statistics(model: Phonetic, items: Sequence[Item]) -> None:
    """Mean and deviation of latents and frames."""
    latents = np.concatenate([item.latents for item in items]).astype(np.float32)
    frames = np.concatenate([item.frames for item in items]).astype(np.float32)
    for kind, values in (("latent", latents), ("frame", frames)):
        getattr(model, f"{kind}_mean").copy_(torch.from_numpy(values.mean(0)))
        getattr(model, f"{kind}_std").copy_(torch.from_numpy(values.std(0)))


@torch.no_grad()
def unquantised(model: Phonetic, material: Material, rng: np.random.Generator, crops: int = KMEANS_CROPS) -> Tensor:
    """Unit vectors [M, dim] of crops of the material."""
    found = []
    for _ in range(crops // BATCH):
        batch = collate(material.draw(rng, BATCH), rng)
        melody = batch.melody.to(model.from_melody.weight)
        found.append(model.vectors(model.normal_frames(batch.frames), melody)[batch.mask])
    return torch.cat(found)


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    material = Material(args.features)
    material.read()
    model = Phonetic(PhoneticConfig(args.codes, args.code_dim, args.hidden))
    if args.init:
        load_parts(model, args.init)
    else:
        set_statistics(model, material.draw(rng, 400))
    opt = MasterAdamW([model])
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args.out / "last.pt", args.steps, opt, rng)
    if run.kept:
        for name, buffer in model.named_buffers():
            buffer.copy_(run.kept["buffers"][name])
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters; {material}", flush=True)
    while not run.over:
        if run.step % READ_AGAIN_STEPS == 0:
            material.read()
        if run.step == args.vq_from:
            start_codebook(model.codebook, unquantised(model, material, rng), BATCH * CROP_TOKENS)
        found = losses(model, collate(material.draw(rng, BATCH), rng), vq=run.step >= args.vq_from)
        sum((WEIGHTS[name] * loss for name, loss in found.items()), torch.zeros(())).backward()
        opt.step(rate(run.step, args.steps, args.rate, WARM_UP_STEPS, 0.03))
        run.done(found)
        if run.due(50):
            run.say(f" codes {int((model.codebook.count > 0.03).sum())}; {material}")
        if run.due(100):
            run.keep(buffers=dict(model.named_buffers()))
            model.save(args.out / "model")


def load_parts(model: Phonetic, folder: Path) -> None:
    """Go on from a saved model; parts of another shape begin anew."""
    own, given = model.state_dict(), Phonetic.load(folder).state_dict()
    model.load_state_dict({name: given[name] if name in given and given[name].shape == v.shape else v for name, v in own.items()})


def main() -> None:
    parser = options(__doc__, steps=4000)
    parser.add_argument("--features", type=Path, required=True, help="sets of recipes.nano.speech_features with their phones")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="go on from this saved model")
    parser.add_argument(
        "--vq-from", type=int, default=500, help="the step at which quantisation begins; -1: the codebook of --init"
    )
    parser.add_argument("--codes", type=int, default=1024)
    parser.add_argument("--code-dim", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--rate", type=float, default=PEAK_RATE)
    train(chosen(parser))


if __name__ == "__main__":
    main()
