"""Train the adapter behind Whisper's frozen encoder on the chat model's own word pieces.

python -m recipes.nano.adapter --work DIR --features DIR [--transcripts FILE] [--steps N] [--device cpu]; resumable, step-based.

An adapter frame is scored against the embeddings of typed text (those of `recipes.nano.chat --typed`), so that a spoken question
arrives looking like a typed one (CTC). The encoder hears real readers as well as it hears Kokoro; only the adapter is learned.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.nano.loop import Run, alike, chosen, options, rate
from recipes.nano.mixed import MasterAdamW
from recipes.nano.natural_sets import TESTS
from recipes.nano.phone_times import transcripts_of
from recipes.nano.shape import ADAPTER_HIDDEN, HIDDEN, Places
from recipes.nano.speech_features import load_file
from recipes.nano.text import normalise
from recipes.nano.whisper_frames import WIDTH
from voicekit.covo.adapter import AudioAdapter
from voicekit.covo.text import TextTokenizer

SHARES = {"questions": 0.5, "answers": 0.1, "natural_open": 0.15, "natural-speech": 0.15, "librispeech-252": 0.1}
BATCH_FRAMES = 6_000
PEAK_RATE, WARM_UP_STEPS = 1.2e-3, 200
COSINE_SCALE = 14.0
LENGTH_WEIGHT = 0.1
_MASKED, _LONGEST_MASK = 2, 8  # stretches of frames that are hidden, so that context counts
_CHANNEL = 0.1  # of the frames' deviation


@dataclass(frozen=True, eq=False)
class Heard:
    """Encoder frames float16 [T, 512] at 50 Hz and the word pieces of what is said."""

    frames: np.ndarray
    pieces: list[int]
    text: str


class ScoredAdapter(nn.Module):
    """The adapter, scored against the chat model's text embeddings [V, D] (fixed) and a blank of its own (the last class)."""

    embeddings: Tensor

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.audio_adapter = AudioAdapter(WIDTH, ADAPTER_HIDDEN, HIDDEN)
        self.blank = nn.Parameter(torch.randn(1, HIDDEN) * 0.1)
        self.register_buffer("embeddings", F.normalize(embeddings.float(), dim=-1))
        self.length = float(embeddings.float().norm(dim=-1).mean())

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, T, 512] -> logits float32 [B, ceil(T / 8), V + 1], and how far the length of adapted frames is off."""
        heard = self.audio_adapter(frames).float()
        classes = torch.cat([self.embeddings, F.normalize(self.blank.float(), dim=-1)])
        length = heard.norm(dim=-1, keepdim=True)
        return COSINE_SCALE * (heard / (length + 1e-6)) @ classes.T, ((length / self.length - 1) ** 2).mean()


def load(features: Path, text: TextTokenizer, transcripts: dict[str, str], names: tuple[str, ...]) -> dict[str, list[Heard]]:
    """The clips of sets with a text; sets that are not there are left out."""
    found: dict[str, list[Heard]] = {}
    for name in names:
        for path in sorted((features / name).glob("speech_*.npz")):
            for clip in load_file(path):
                said = normalise(clip.row.get("text") or transcripts.get(clip.row.get("file", ""), ""))
                if said:
                    found.setdefault(name, []).append(Heard(clip.frames, text.encode(said), said))
    return found


def draw(parts: dict[str, list[Heard]], rng: np.random.Generator) -> list[Heard]:
    """Clips of similar length, about BATCH_FRAMES frames, the sets by their shares."""
    names = list(parts)
    shares = np.array([SHARES[name] for name in names])
    picked = rng.choice(len(names), 96, p=shares / shares.sum())
    pool = [parts[names[n]][int(rng.integers(len(parts[names[n]])))] for n in picked]
    return alike(pool, lambda clip: len(clip.frames), BATCH_FRAMES, rng)


def disturbed(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 [T, 512]: another channel, and stretches hidden."""
    x = frames.astype(np.float32)
    x = x + _CHANNEL * x.std(0) * rng.standard_normal(x.shape[1]).astype(np.float32)
    for _ in range(int(rng.integers(_MASKED + 1))):
        start, width = int(rng.integers(len(x))), int(rng.integers(1, _LONGEST_MASK))
        x[start : start + width] = 0.0
    return x


def loss_of(scored: ScoredAdapter, batch: list[Heard], rng: np.random.Generator) -> dict[str, Tensor]:
    """CTC of word pieces in nats a piece, and the length's."""
    frames = nn.utils.rnn.pad_sequence([torch.from_numpy(disturbed(clip.frames, rng)) for clip in batch], batch_first=True)
    logits, length = scored(frames.to(scored.blank))
    counts = torch.tensor([-(-len(clip.frames) // 8) for clip in batch])
    wanted = [torch.tensor(clip.pieces) for clip in batch]
    lengths = torch.tensor([len(pieces) for pieces in wanted])
    log_probs = logits.log_softmax(-1).transpose(0, 1)
    blank = logits.shape[-1] - 1
    ctc = F.ctc_loss(log_probs, torch.cat(wanted), counts, lengths, blank=blank, reduction="sum", zero_infinity=True)
    return {"pieces": ctc / lengths.sum(), "length": length}


@torch.inference_mode()
def piece_errors(scored: ScoredAdapter, clips: list[Heard], text: TextTokenizer) -> float:
    """Words wrong of what the adapter alone says, by its likeliest pieces."""
    import jiwer

    guesses = []
    for clip in clips:
        best = scored(torch.from_numpy(clip.frames.astype(np.float32))[None].to(scored.blank))[0][0].argmax(-1).tolist()
        ids = [i for n, i in enumerate(best) if i < len(text) and (n == 0 or i != best[n - 1])]
        guesses.append(normalise(text.decode(ids)) or "nothing")
    return float(jiwer.wer([clip.text for clip in clips], guesses))


def train(args: argparse.Namespace) -> None:
    places = Places(args.work)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    text = TextTokenizer(places.text.parent)
    heard = transcripts_of(args.transcripts)
    parts = load(args.features, text, heard, tuple(SHARES))
    tests = load(args.features, text, heard, TESTS)
    typed = torch.load(places.chat / "typed.pt", weights_only=False)["model"]
    scored = ScoredAdapter(typed["llm.model.embed_tokens.weight"][: len(text)]).to(args.device)
    opt = MasterAdamW([scored])
    run = Run(places.adapter, args.steps, opt, rng)
    while not run.over:
        found = loss_of(scored, draw(parts, rng), rng)
        (found["pieces"] + LENGTH_WEIGHT * found["length"]).backward()
        opt.step(rate(run.step, args.steps, PEAK_RATE, WARM_UP_STEPS, 0.03))
        run.done(found)
        if run.due(100):
            note = "".join(
                f" {name} {piece_errors(scored, clips, text):.3f} wrong" for name, clips in tests.items() if run.due(500)
            )
            run.say(note)
            run.keep(adapter=scored.audio_adapter.state_dict())


def main() -> None:
    parser = options(__doc__, steps=3000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="sets of recipes.nano.speech_features")
    parser.add_argument("--transcripts", type=Path, help="of clips without text: lines of JSON (file, text)")
    train(chosen(parser))


if __name__ == "__main__":
    main()
