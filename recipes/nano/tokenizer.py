"""Train nano's speech tokenizer: CTC first, then one VQ layer; reconstruction and pitch beside it.

python -m recipes.nano.tokenizer --audio DIR --out DIR [--steps N] [--device cpu] [--seed 0]

Resumable: the last checkpoint in --out is continued. Step-based: the schedule does not depend on the machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.nano.augment import augment
from recipes.nano.letters import letter_error_rate
from recipes.nano.loop import chosen, options
from recipes.nano.mixed import MasterAdamW
from recipes.nano.stored import Item, from_bytes, load_set
from voicekit.covo.speech_tokenizer import SYMBOLS, SpeechTokenizer, SpeechTokenizerConfig, greedy_text, text_symbols
from voicekit.files import beside

BATCH_TOKENS = 1400
PEAK_RATE = 1.2e-3
WARM_UP_STEPS = 300
EMA_DECAY = 0.99
SHARE = {"open_train": 0.62, "answers_train": 0.1, "questions_train": 0.1, "narr_train": 0.03, "readers": 0.15}
TESTS = ("open_dev", "open_synth_test", "open_natural_test", "open_ked_test", "scripted")


class Heads(nn.Module):
    """Training only: mel and pitch from codes (given the speaker), and an early CTC before the VQ layer."""

    def __init__(self, config: SpeechTokenizerConfig) -> None:
        super().__init__()
        d = config.hidden
        self.early_ctc = nn.Linear(d, 2 * SYMBOLS)
        self.speaker = nn.Linear(160, d)
        self.mel_in = nn.Conv1d(config.code_dim, d, 5, padding=2)
        self.mel_mid = nn.Conv1d(d, d, 5, padding=2)
        self.mel_out = nn.Linear(d, 4 * 80)
        self.pitch = nn.Sequential(nn.Conv1d(config.code_dim, d, 3, padding=1), nn.GELU(), nn.Conv1d(d, 2, 3, padding=1))

    def reconstruct(self, codes: Tensor, mel: Tensor, mask: Tensor) -> Tensor:
        """codes [B, N, C], clean mel [B, 4N, 80] -> mean absolute error of the mel given the clip's own statistics."""
        frames = mask.repeat_interleave(4, dim=1)[..., None].to(mel.dtype)
        count = frames.sum(1)
        mean = (mel * frames).sum(1) / count
        spread = ((((mel - mean[:, None]) * frames) ** 2).sum(1) / count).sqrt()
        speaker = self.speaker(torch.cat([mean / 5.0, spread / 3.0], dim=-1))
        x = F.gelu(self.mel_in(codes.transpose(1, 2)) + speaker[..., None])
        x = F.gelu(self.mel_mid(x) + x).transpose(1, 2)
        guess = self.mel_out(x).reshape(mel.shape)
        target = (mel - mean[:, None]) / 3.0
        return ((guess - target).abs() * frames).sum() / (frames.sum() * 80)

    def pitch_loss(self, codes: Tensor, pitch: Tensor, mask: Tensor) -> Tensor:
        """pitch in Hz [B, N], 0 = unvoiced: absolute error in log F0 (times 5) plus voicing cross-entropy."""
        out = self.pitch(codes.transpose(1, 2)).float()
        voiced = (pitch > 0) & mask
        target = torch.log(pitch.clamp(min=50.0) / 140.0)
        log_error = ((out[:, 0] - target).abs() * voiced).sum() / voiced.sum().clamp(min=1)
        voicing = F.binary_cross_entropy_with_logits(out[:, 1], voiced.float(), reduction="none")
        return 5.0 * log_error + (voicing * mask).sum() / mask.sum()


def quantise(tokenizer: SpeechTokenizer, z: Tensor, mask: Tensor, follow: bool) -> tuple[Tensor, Tensor]:
    """Straight-through codes and the commitment loss; with `follow` the codebook moves towards its inputs."""
    q = tokenizer.quantizer
    unit = F.normalize(z.float(), dim=-1)
    index = (unit.detach() @ q.codebook.T).argmax(-1)
    if follow:
        with torch.no_grad():
            flat, ids = unit.detach()[mask], index[mask]
            q.count.mul_(EMA_DECAY).index_add_(0, ids, torch.full((len(ids),), 1 - EMA_DECAY, device=ids.device))
            q.total.mul_(EMA_DECAY).index_add_(0, ids, (1 - EMA_DECAY) * flat)
            q.codebook.copy_(F.normalize(q.total + 1e-6 * q.codebook, dim=-1))
            dead = (q.count < 0.02).nonzero()[:, 0]
            if len(dead):
                fresh = flat[torch.randint(len(flat), (len(dead),), device=flat.device)]
                q.codebook[dead], q.total[dead], q.count[dead] = fresh, fresh * 0.1, 0.1
    chosen = q.codebook[index]
    commit = (((unit - chosen.detach()) ** 2).sum(-1) * mask).sum() / mask.sum()
    return unit + (chosen - unit).detach(), commit


def start_codebook(tokenizer: SpeechTokenizer, vectors: Tensor, rounds: int = 15) -> None:
    """k-means on unit vectors [M, C]."""
    q = tokenizer.quantizer
    unit = F.normalize(vectors, dim=-1)
    centres = unit[torch.randperm(len(unit))[: q.codebook.shape[0]]].clone()
    for _ in range(rounds):
        ids = (unit @ centres.T).argmax(-1)
        total = torch.zeros_like(centres).index_add_(0, ids, unit)
        empty = total.norm(dim=-1) == 0
        total[empty] = unit[torch.randint(len(unit), (int(empty.sum()),))]
        centres = F.normalize(total, dim=-1)
    q.codebook.copy_(centres)
    count = torch.bincount((unit @ centres.T).argmax(-1), minlength=len(centres)).float()
    q.count.copy_(count / len(unit) * BATCH_TOKENS)
    q.total.copy_(centres * q.count[:, None])


def collate(items: list[Item], rng: np.random.Generator | None) -> dict[str, Tensor]:
    """Padded batch: mel (what the encoder sees), clean (what it should sound like), pitch, mask, text."""
    seen, clean, pitch = [], [], []
    for item in items:
        mel, hz = from_bytes(item.mel), item.pitch.astype(np.float32)
        noisy, mel, hz = augment(mel, hz, rng) if rng is not None else (mel, mel, hz)
        seen.append(torch.from_numpy(noisy))
        clean.append(torch.from_numpy(mel))
        pitch.append(torch.from_numpy(hz))
    pad = nn.utils.rnn.pad_sequence
    hz = pad(pitch, batch_first=True, padding_value=-1.0)
    texts = [torch.tensor(text_symbols(i.row["text"])) for i in items]
    return {"seen": pad(seen, batch_first=True), "clean": pad(clean, batch_first=True), "pitch": hz.clamp(min=0.0),
            "mask": hz >= 0, "text": torch.cat(texts), "text_len": torch.tensor([len(t) for t in texts])}  # fmt: skip


def batches(items: list[Item], weights: np.ndarray, rng: np.random.Generator, longest: int) -> list[Item]:
    """One batch of about BATCH_TOKENS tokens of similar length, drawn by weight."""
    pool = rng.choice(len(items), 96, p=weights)
    picked = sorted((items[i] for i in pool if 8 <= items[i].tokens <= longest), key=lambda i: i.tokens)
    if not picked:
        return batches(items, weights, rng, longest)
    start = int(rng.integers(len(picked)))
    batch: list[Item] = []
    while start < len(picked) and (len(batch) + 1) * picked[start].tokens <= BATCH_TOKENS * 1.1:
        batch.append(picked[start])
        start += 1
    while len(batch) * picked[start - 1].tokens < 0.6 * BATCH_TOKENS and len(batch) < start:
        batch.insert(0, picked[start - 1 - len(batch)])
    return batch or [picked[0]]


def ctc(logits: Tensor, b: dict[str, Tensor]) -> Tensor:
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    lengths = 2 * b["mask"].sum(1)
    loss = F.ctc_loss(log_probs, b["text"], lengths, b["text_len"], reduction="none", zero_infinity=True)
    return loss.sum() / b["text_len"].sum()


def step_loss(tok: SpeechTokenizer, heads: Heads, b: dict[str, Tensor], vq: bool) -> tuple[Tensor, dict[str, float]]:
    half = tok.ctc.weight.dtype
    hidden = tok.hidden(b["seen"].to(half), b["mask"])
    z = tok.to_code(hidden)
    early = heads.early_ctc(hidden)
    codes, commit = quantise(tok, z, b["mask"], follow=True) if vq else (F.normalize(z.float(), dim=-1), z.new_zeros(()))
    read = tok.read_logits(codes.to(half), b["mask"])
    mel = heads.reconstruct(codes.to(half), b["clean"].to(half), b["mask"])
    pitch = heads.pitch_loss(codes.to(half), b["pitch"], b["mask"])
    read_ctc = ctc(read, b)
    early_ctc = ctc(early.view(early.shape[0], -1, SYMBOLS), b)
    loss = read_ctc + 0.4 * early_ctc + 0.7 * mel + 0.25 * pitch + 0.25 * commit
    parts = {"ctc": read_ctc, "early": early_ctc, "mel": mel, "pitch": pitch, "commit": commit}
    return loss, {name: float(part.detach()) for name, part in parts.items()}


@torch.inference_mode()
def measure(tok: SpeechTokenizer, items: list[Item], vq: bool = True) -> float:
    """CER of greedy reading over the clips (letters only)."""
    references, guesses = [], []
    tok.eval()
    for item in items:
        b = collate([item], None)
        z = tok.to_code(tok.hidden(b["seen"].to(tok.ctc.weight), b["mask"].to(tok.ctc.weight.device)))
        codes = tok.quantizer.lookup(tok.quantizer.indices(z)) if vq else F.normalize(z, dim=-1)
        symbols = tok.read_logits(codes.to(z.dtype), b["mask"].to(z.device))[0].argmax(-1).cpu().numpy()
        guesses.append(greedy_text(symbols))
        references.append("".join(c for c in " ".join(item.row["text"].split()) if c.isalpha() or c in " '"))
    tok.train()
    return letter_error_rate(references, guesses)


def checkpoint(path: Path, step: int, modules: dict, rng: np.random.Generator) -> None:
    state = {k: m.state_dict() for k, m in modules.items()}
    q = modules["tokenizer"].quantizer
    random = {"rng": rng.bit_generator.state, "torch": torch.get_rng_state()}
    with beside(path) as tmp:
        torch.save({"step": step, "vq": (q.count, q.total), **random, **state}, tmp)


def rate_at(step: int, steps: int) -> float:
    if step < WARM_UP_STEPS:
        return PEAK_RATE * (step + 1) / WARM_UP_STEPS
    return PEAK_RATE * max(0.02, 0.5 * (1 + np.cos(np.pi * (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS))))


def mixture(sets: dict[str, list[Item]], share: dict[str, float]) -> tuple[list[Item], np.ndarray]:
    """Items and their sampling weights: each set gets its share, each second inside it counts the same."""
    items: list[Item] = []
    weights: list[float] = []
    for name, part in sets.items():
        if part:
            length = np.array([i.tokens for i in part], float)
            items += part
            weights += list(share[name] * length / length.sum())
    w = np.array(weights)
    return items, w / w.sum()


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    tok = SpeechTokenizer(SpeechTokenizerConfig(num_codes=args.codes)).to(args.device)
    heads = Heads(tok.config).to(args.device)
    if args.init:
        tok.load_state_dict(SpeechTokenizer.load(args.init / "speech_tokenizer").state_dict())
        tok.quantizer.total.copy_(tok.quantizer.codebook)
    opt = MasterAdamW([tok, heads])
    modules = {"tokenizer": tok, "heads": heads, "optimizer": opt}
    last, step = args.out / "last.pt", 0
    args.out.mkdir(parents=True, exist_ok=True)
    if last.exists():
        state = torch.load(last, weights_only=False)
        for key, module in modules.items():
            module.load_state_dict(state[key])
        tok.quantizer.count.copy_(state["vq"][0])
        tok.quantizer.total.copy_(state["vq"][1])
        step, rng.bit_generator.state = state["step"], state["rng"]
        torch.set_rng_state(state["torch"])
    items, weights, began, log = [], np.zeros(0), time.time(), {}
    vq_at = int(args.vq_from * args.steps)
    while step < args.steps:
        if not items or step % 200 == 0:
            items, weights = mixture({s: load_set(args.audio / s) for s in SHARE}, SHARE)
        longest = 75 if step < 400 else 110 if step < 1000 else 330
        b = {k: v.to(args.device) for k, v in collate(batches(items, weights, rng, longest), rng).items()}
        if step == vq_at and not args.init:
            start_from_data(tok, items, weights, rng, args.device)
        loss, parts = step_loss(tok, heads, b, vq=step >= vq_at)
        loss.backward()
        opt.step(rate_at(step, args.steps))
        step += 1
        log = {k: 0.98 * log.get(k, v) + 0.02 * v for k, v in parts.items()}
        if step % 100 == 0 or step == 1:
            numbers = " ".join(f"{k} {v:.3f}" for k, v in log.items())
            used = int((tok.quantizer.count > 0.05).sum())
            print(f"step {step} {time.time() - began:.0f} s {numbers} codes {used} items {len(items)}", flush=True)
        if step % 250 == 0 or step == args.steps:
            checkpoint(last, step, modules, rng)
        if step % 1000 == 0 or step == args.steps:
            tests = {s: load_set(args.audio / s)[:60] for s in TESTS}
            print("CER " + " ".join(f"{s} {measure(tok, i, step > vq_at):.3f}" for s, i in tests.items() if i), flush=True)
            tok.save(args.out / "speech_tokenizer")


@torch.inference_mode()
def start_from_data(tok: SpeechTokenizer, items: list[Item], weights: np.ndarray, rng: np.random.Generator, device: str) -> None:
    vectors = []
    for _ in range(25):
        b = collate(batches(items, weights, rng, 330), rng)
        mask = b["mask"].to(device)
        vectors.append(tok.to_code(tok.hidden(b["seen"].to(tok.ctc.weight), mask)).float()[mask])
    start_codebook(tok, torch.cat(vectors))


def main() -> None:
    parser = options(__doc__, steps=9000)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vq-from", type=float, default=0.45, help="share of the steps before the VQ layer is switched on")
    parser.add_argument("--init", type=Path, help="go on from this packed base's weights (with --vq-from 0)")
    parser.add_argument("--codes", type=int, default=1024)
    train(chosen(parser))


if __name__ == "__main__":
    main()
