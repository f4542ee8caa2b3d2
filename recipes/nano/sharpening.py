"""Go on with the speech tokenizer of a finished base: its encoder learns to hear better, while every token keeps its meaning.

Codebook and reader stay, and for the base's own speakers the tokens are held to what the tokenizer said of their undisturbed
speech: chat model and decoder were taught with those. Mel and pitch are read from the tokens by heads that only training needs
and that learn alone at first.

python -m recipes.nano.sharpening --work DIR --base DIR [--steps N] [--device cpu]; resumable, step-based. Needs what `features`
left in the work folder, and writes the encoder into the base's speech_tokenizer at the end.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW
from recipes.nano.pack import put
from recipes.nano.shape import Places
from recipes.nano.stored import Item, load_set
from recipes.nano.tokenizer import TESTS, Heads, batches, collate, ctc, measure, mixture, quantise
from voicekit.covo.speech_tokenizer import SYMBOLS, SpeechTokenizer

SHARES = {"open_train": 0.66, "answers_train": 0.07, "questions_train": 0.1, "readers": 0.17}
PEAK_RATE = 6e-4
WARM_UP_STEPS = 200
HEADS_ALONE = 300
LONGEST_TOKENS = 330
SCALE = 12.0  # of cosines to codes, as logits
KEPT_WEIGHT = 0.3
TESTED = 60


class Sharpened(nn.Module):
    """A tokenizer whose encoder is trained, the same as it was, and the heads that only training needs."""

    def __init__(self, folder: Path, device: str) -> None:
        super().__init__()
        self.now = SpeechTokenizer.load(folder / "speech_tokenizer", device).train()
        self.before = copy.deepcopy(self.now).eval()
        self.heads = Heads(self.now.config).to(device)
        for part in (self.now.conv1, self.now.conv2, self.now.encoder, self.now.encoder_norm, self.now.to_code):
            part.requires_grad_(True)

    def halved(self) -> None:
        """What is not trained in bfloat16 too; codes are compared in float32."""
        for tokenizer in (self.now, self.before):
            for p in tokenizer.parameters():
                p.data = p.data.to(torch.bfloat16)

    def losses(self, b: dict[str, Tensor], own: Tensor, alone: bool) -> dict[str, Tensor]:
        """By name, in the order of `WEIGHTS`. own bool [B]: clips of the base's own speakers. `alone`: heads learn, no more."""
        half, mask = self.now.ctc.weight.dtype, b["mask"]
        hidden = self.now.hidden(b["seen"].to(half), mask)
        z = self.now.to_code(hidden)
        codes, commit = quantise(self.now, z, mask, follow=False)
        if alone:
            hidden, codes = hidden.detach(), codes.detach()
        early = self.heads.early_ctc(hidden)
        losses = {
            "ctc": ctc(self.now.read_logits(codes.to(half), mask), b),
            "early": ctc(early.view(early.shape[0], -1, SYMBOLS), b),
            "mel": self.heads.reconstruct(codes.to(half), b["clean"].to(half), mask),
            "pitch": self.heads.pitch_loss(codes.to(half), b["pitch"], mask),
        }
        return losses if alone else losses | {"commit": commit, "kept": self._kept(z, b, own & mask)}

    def _kept(self, z: Tensor, b: dict[str, Tensor], where: Tensor) -> Tensor:
        """Cross-entropy in nats to what the tokenizer said before, of the clips undisturbed."""
        if not where.any():
            return z.sum() * 0.0
        with torch.no_grad():
            clean = b["clean"].to(self.before.ctc.weight.dtype)
            wanted = self.before.quantizer.indices(self.before.to_code(self.before.hidden(clean, b["mask"])))
        logits = SCALE * F.normalize(z[where].float(), dim=-1) @ self.now.quantizer.codebook.T
        return F.cross_entropy(logits, wanted[where])


WEIGHTS = {"ctc": 1.0, "early": 0.4, "mel": 0.7, "pitch": 0.25, "commit": 0.25, "kept": KEPT_WEIGHT}


def train(places: Places, base: Path, steps: int, device: str, seed: int) -> tuple[Sharpened, list[Tensor]]:
    """The tokenizer, and the trained parameters in float32."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    items, weights = mixture({s: load_set(places.audio / s) for s in SHARES}, SHARES)
    tests = {s: load_set(places.audio / s)[:TESTED] for s in TESTS}
    made = Sharpened(base, device)
    opt = MasterAdamW([made])
    made.halved()
    run = Run(places.work / "sharpening.pt", steps, opt, rng)
    if run.step == 0:
        run.say(_tested(made.now, tests))
    while not run.over:
        some = batches(items, weights, rng, LONGEST_TOKENS)
        batch = {k: v.to(device) for k, v in collate(some, rng).items()}
        own = torch.tensor([[bool(item.row["named"])] for item in some], device=device)
        losses = made.losses(batch, own, run.step < HEADS_ALONE)
        torch.stack([WEIGHTS[name] * loss for name, loss in losses.items()]).sum().backward()
        opt.step(rate(run.step, steps, PEAK_RATE, WARM_UP_STEPS, floor=0.02))
        run.done(losses)
        if run.due(100):
            run.say(_tested(made.now, tests) if run.due(500) else "")
            run.keep()
    return made, opt.master


def _tested(tokenizer: SpeechTokenizer, tests: dict[str, list[Item]]) -> str:
    return " CER " + " ".join(f"{name} {measure(tokenizer, items):.3f}" for name, items in tests.items() if items)


def write(base: Path, made: Sharpened, masters: list[Tensor]) -> None:
    """The encoder into the base's speech tokenizer."""
    trained = [n for n, p in made.named_parameters() if p.requires_grad]
    own = {n: t for n, t in zip(trained, masters, strict=True) if n.startswith("now.")}
    put(base / "speech_tokenizer", {n.removeprefix("now."): t.detach().cpu() for n, t in own.items()})


def main() -> None:
    parser = options(__doc__, steps=4000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, help="the packed base whose tokenizer is trained")
    args = chosen(parser)
    write(args.base, *train(Places(args.work), args.base, args.steps, args.device, args.seed))


if __name__ == "__main__":
    main()
