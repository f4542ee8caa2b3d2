"""Train nano's ears: the Whisper encoder learns letters by CTC, and the adapter after it the chat model's own word pieces.

The second target is what makes a small chat model listen: an adapter frame is scored against the embeddings of typed text
(those of `chat --typed`), so that a spoken question arrives looking like a typed one. Answers alone would teach it far less.

python -m recipes.nano.hearing --work DIR [--steps N] [--device cpu]
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from recipes.nano.letters import letter_error_rate
from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW, working_type
from recipes.nano.shape import ADAPTER_HIDDEN, ENCODER, ENCODER_MELS, HIDDEN, SEGMENT_POSITIONS, Places
from recipes.nano.stored import save_arrays
from voicekit.covo.adapter import AudioAdapter, log_mel_segments
from voicekit.covo.speech_tokenizer import BLANK, SYMBOLS, greedy_text, text_symbols
from voicekit.covo.text import TextTokenizer
from voicekit.records import FloatArray

SETS = {"questions_train": 20_000, "open_train": 2600, "answers_train": 900, "readers": 2000, "questions_test": 400}
MEL_LOW, MEL_STEP = -1.6, 0.015
CACHED = 8_000
BATCH_FRAMES = 7_000
PEAK_RATE = 1.2e-3
WARM_UP_STEPS = 200
COSINE_SCALE = 14.0
SEGMENT_FRAMES = 2 * SEGMENT_POSITIONS

Heard = tuple[np.ndarray, dict]


def prepare(places: Places) -> None:
    """Whisper log-mels of some clips of each set, in bytes, one file a set: mel uint8 [sum T, 80], frames, rows."""
    places.hearing.mkdir(parents=True, exist_ok=True)
    for name, most in SETS.items():
        out = places.hearing / f"{name}.npz"
        if out.exists():
            continue
        mels, rows = [], []
        for index in sorted((places.audio / name).glob("index_*.jsonl")):
            audio = np.memmap(index.with_name(index.name.replace("index_", "audio_").replace(".jsonl", ".i16")), np.int16, "r")
            for line in index.read_text().splitlines():
                row = json.loads(line)
                if len(rows) >= most or row["num_samples"] > 240 * SEGMENT_FRAMES:
                    continue
                samples = audio[row["start"] : row["start"] + row["num_samples"]].astype(np.float32) / np.float32(32768)
                mels.append(to_bytes(heard(samples)))
                rows.append(row)
        if not rows:
            continue
        save_arrays(out, {"mel": np.concatenate(mels), "frames": np.array([len(m) for m in mels]), "rows": json.dumps(rows)})
        print(name, len(rows), flush=True)


def heard(samples_24k: FloatArray) -> FloatArray:
    """Log-mel [T, 80] of one segment without its padding."""
    frames = -(-samples_24k.shape[0] // 240)
    return log_mel_segments(samples_24k, ENCODER_MELS, SEGMENT_FRAMES)[0, :, : frames + frames % 2].T.numpy()


def to_bytes(mel: FloatArray) -> np.ndarray:
    return np.clip(np.round((mel - MEL_LOW) / MEL_STEP), 0, 255).astype(np.uint8)


def load(file: Path) -> list[Heard]:
    data = np.load(file)
    ends = np.cumsum(data["frames"])
    return list(zip(np.split(data["mel"], ends[:-1]), json.loads(str(data["rows"])), strict=True))


def to_float(mel: np.ndarray, rng: np.random.Generator | None) -> FloatArray:
    """Bytes -> log-mel [T, 80]; with `rng`: another vocal tract, channel, noise, and masked bands and moments."""
    x = mel.astype(np.float32) * MEL_STEP + MEL_LOW
    if rng is None:
        return x
    if rng.random() < 0.6:
        source = np.clip(np.arange(80) * np.exp(rng.normal(0, 0.07)), 0, 79)
        left = np.clip(source.astype(int), 0, 78)
        x = x[:, left] * (1 - (source - left)) + x[:, left + 1] * (source - left)
    if rng.random() < 0.6:
        x = x + np.interp(np.arange(80), np.linspace(0, 79, 6), rng.normal(0, 0.09, 6))
    if rng.random() < 0.5:
        floor = x.max() - rng.uniform(0.7, 1.6) + np.interp(np.arange(80), np.linspace(0, 79, 4), rng.normal(0, 0.12, 4))
        x = np.logaddexp(x * 9.2, (floor + rng.normal(0, 0.08, x.shape)) * 9.2) / 9.2
    if rng.random() < 0.5:
        width, start = int(rng.integers(2, 10)), int(rng.integers(0, 70))
        x[:, start : start + width] = x.min()
    for _ in range(int(rng.integers(0, 3))):
        width, start = int(rng.integers(2, 7)), int(rng.integers(0, len(x)))
        x[start : start + width] = x.min()
    return np.maximum(x, x.max() - 2.0).astype(np.float32)


def encode(encoder: WhisperEncoder, mels: Tensor) -> Tensor:
    """The encoder on mels [B, 80, T] of any even T up to its segment: [B, T / 2, D]."""
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mels)))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[: x.shape[1]].to(x)
    for layer in encoder.layers:
        out = layer(x, None)
        x = out[0] if isinstance(out, tuple) else out
    return encoder.layer_norm(x)


class Pieces(nn.Module):
    """The adapter, scored against the chat model's text embeddings [V, D] (fixed) and a blank of its own (the last class)."""

    embeddings: Tensor

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.audio_adapter = AudioAdapter(ENCODER["d_model"], ADAPTER_HIDDEN, HIDDEN)
        self.blank = nn.Parameter(torch.randn(1, HIDDEN) * 0.1)
        self.register_buffer("embeddings", F.normalize(embeddings.float(), dim=-1))
        self.norm = float(embeddings.float().norm(dim=-1).mean())

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder frames [B, T, C] -> what `logits` makes of the adapter's frames."""
        return self.logits(self.audio_adapter(frames))

    def logits(self, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Adapter frames [B, F, D] -> logits float32 [B, F, V + 1], and how far the frames' length is off (a loss)."""
        heard = heard.float()
        classes = torch.cat([self.embeddings, F.normalize(self.blank.float(), dim=-1)])
        length = heard.norm(dim=-1, keepdim=True)
        return COSINE_SCALE * (heard / (length + 1e-6)) @ classes.T, ((length / self.norm - 1) ** 2).mean()


def text_embeddings(places: Places, count: int) -> Tensor:
    """float32 [count, D] of the chat model after its typed lessons."""
    state = torch.load(places.chat / "typed.pt", weights_only=False)["model"]
    return state["llm.model.embed_tokens.weight"][:count].float()


def new_encoder(device: str) -> WhisperEncoder:
    config = WhisperConfig(**ENCODER)
    config._attn_implementation = "eager"
    encoder = WhisperEncoder(config)
    nn.Module.to(encoder, device)
    return encoder


def collate(items: list[Heard], rng: np.random.Generator | None, length: int = 0) -> Tensor:
    """Padded mels [B, 80, T]; padding is what silence looks like: the clip's floor."""
    mels = [to_float(m, rng) for m, _ in items]
    longest = max(length, max(len(m) for m in mels))
    return torch.stack([torch.from_numpy(np.pad(m, ((0, longest - len(m)), (0, 0)), constant_values=m.min())).T for m in mels])


def draw(items: list[Heard], rng: np.random.Generator, longest: int) -> list[Heard]:
    pool = [items[i] for i in rng.integers(len(items), size=120)]
    picked = sorted((i for i in pool if len(i[0]) <= longest), key=lambda i: len(i[0]))
    start = int(rng.integers(max(1, len(picked) - 8)))
    batch = picked[start : start + 1]
    while start + len(batch) < len(picked) and (len(batch) + 1) * len(picked[start + len(batch)][0]) <= BATCH_FRAMES:
        batch.append(picked[start + len(batch)])
    return batch


def ctc_of(logits: Tensor, targets: list[Tensor], frames: Tensor, blank: int) -> Tensor:
    """CTC loss in nats per symbol; logits float32 [B, T, V]."""
    lengths = torch.tensor([len(t) for t in targets])
    log_probs = logits.log_softmax(-1).transpose(0, 1)
    wanted = torch.cat(targets).to(logits.device)
    loss = F.ctc_loss(log_probs, wanted, frames, lengths, blank=blank, reduction="sum", zero_infinity=True)
    return loss / lengths.sum()


def train(places: Places, steps: int, device: str, seed: int, init: Path | None) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    parts = {name: load(file) for name in SETS if (file := places.hearing / f"{name}.npz").exists()}
    test = parts.pop("questions_test")
    items = [item for part in parts.values() for item in part]
    text = TextTokenizer(places.text.parent)
    encoder, head = new_encoder(device), nn.Linear(ENCODER["d_model"], SYMBOLS).to(device)
    pieces = Pieces(text_embeddings(places, len(text))).to(device)
    if init:
        packed = load_file(init / "model.safetensors")
        encoder.load_state_dict({k[8:]: v.float() for k, v in packed.items() if k.startswith("encoder.")})
    opt = MasterAdamW([encoder, head, pieces])
    run = Run(places.hearing / "last.pt", steps, opt, rng)
    while not run.over:
        batch = draw(items, rng, 300 if run.step < 300 and not init else 800)
        frames = torch.tensor([len(m) // 2 for m, _ in batch])
        made = encode(encoder, collate(batch, rng).to(device, working_type(device)))
        letters = ctc_of(head(made).float(), [torch.tensor(text_symbols(row["text"])) for _, row in batch], frames, BLANK)
        logits, length = pieces(made)
        wanted = [torch.tensor(text.encode(row["text"])) for _, row in batch]
        words = ctc_of(logits, wanted, -(-frames // 8), len(text))
        (letters + 0.5 * words + 0.1 * length).backward()
        opt.step(rate(run.step, steps, PEAK_RATE, WARM_UP_STEPS, floor=0.03))
        run.done({"letters": letters, "pieces": words, "length": length})
        if run.due(100):
            note = ""
            if run.due(500):
                note = f" CER {cer(encoder, head, test[:100]):.3f} questions heard {heard_right(encoder, pieces, text, test):.3f}"
            run.say(note)
            run.keep(encoder=encoder.state_dict(), adapter=pieces.audio_adapter.state_dict())


@torch.inference_mode()
def heard_right(encoder: WhisperEncoder, pieces: Pieces, text: TextTokenizer, items: list[Heard]) -> float:
    """Share of spoken questions whose word pieces come out of the adapter as they are typed."""
    hits = []
    for item in items:
        logits, _ = pieces(encode(encoder, collate([item], None).to(pieces.blank)))
        best = logits[0].argmax(-1).tolist()
        ids = [i for n, i in enumerate(best) if i < len(text) and (n == 0 or i != best[n - 1])]
        hits.append(text.decode(ids) == item[1]["text"])
    return float(np.mean(hits))


@torch.inference_mode()
def cer(encoder: WhisperEncoder, head: nn.Linear, items: list[Heard]) -> float:
    truth, guess = [], []
    for item in items:
        mels = collate([item], None).to(head.weight)
        guess.append(greedy_text(head(encode(encoder, mels))[0].argmax(-1).cpu().numpy()))
        truth.append("".join(c for c in item[1]["text"] if c.isalpha() or c in " '"))
    return letter_error_rate(truth, guess)


@torch.inference_mode()
def cache(places: Places, device: str, seed: int) -> None:
    """What the trained encoder makes of CACHED training questions, clean and once disturbed: features.npz for the chat model.

    Each mel is padded to the whole segment, as it is when nano listens; only frames of the question itself are kept.
    """
    out = places.hearing / "features.npz"
    if out.exists():
        return
    encoder = new_encoder(device).eval()
    trained = torch.load(places.hearing / "last.pt", weights_only=False)["encoder"]
    encoder.load_state_dict({k: v.float() for k, v in trained.items()})
    nn.Module.to(encoder, working_type(device))
    rng = np.random.default_rng(seed)
    made, texts = [], []
    items = load(places.hearing / "questions_train.npz")[:CACHED]
    for start in range(0, len(items), 16):
        for noise in (None, rng):
            batch = items[start : start + 16]
            mels = collate(batch, noise, SEGMENT_FRAMES).to(device, working_type(device))
            frames = encode(encoder, mels).to(torch.float16).cpu().numpy()
            made += [f[: len(m) // 2] for f, (m, _) in zip(frames, batch, strict=True)]
            texts += [row["text"] for _, row in batch]
    frames = np.array([len(m) for m in made])
    save_arrays(out, {"features": np.concatenate(made), "frames": frames, "texts": json.dumps(texts)})


def load_features(places: Places) -> list[tuple[np.ndarray, str]]:
    """(encoder frames float16 [T, D], question) of `cache`."""
    data = np.load(places.hearing / "features.npz")
    parts = np.split(data["features"], np.cumsum(data["frames"])[:-1])
    return list(zip(parts, json.loads(str(data["texts"])), strict=True))


def main() -> None:
    parser = options(__doc__, steps=1500)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="go on from this packed base's weights")
    args = chosen(parser)
    places = Places(args.work)
    prepare(places)
    if args.steps == 0:
        return
    train(places, args.steps, args.device, args.seed, args.init)
    cache(places, args.device, args.seed)


if __name__ == "__main__":
    main()
