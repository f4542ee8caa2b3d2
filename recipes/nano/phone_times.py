"""Label every prepared set with phonemes: `python -m recipes.nano.phone_times --features DIR [--transcripts FILE]`.

Clips whose phonemes have times (Kokoro's) teach a small aligner on the Whisper frames; clips with text alone are aligned by it.
Writes phones_XXXX.npy (uint8 [sum 2N], `phones.UNKNOWN` where nobody knows) beside each speech_XXXX.npz.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.nano.kokoro import phonemes
from recipes.nano.phones import PHONES, UNKNOWN, align, from_times
from recipes.nano.speech_features import Speech, load_file
from recipes.nano.text import normalise
from recipes.nano.whisper_frames import WIDTH
from voicekit.files import beside

STEPS = 400
_BATCH, _CROP = 16, 150
_WORST = -1.5  # mean log-probability of a frame: below it text and sound do not belong together


class Aligner(nn.Module):
    """Frames [B, M, 512] -> logits [B, M, phones]."""

    def __init__(self, width: int = 192) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(WIDTH, width, 3, padding=1), nn.Conv1d(width, len(PHONES), 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        return self.last(F.gelu(self.first(frames.transpose(1, 2)))).transpose(1, 2)


def known_times(clip: Speech) -> np.ndarray | None:
    """Labels of a clip whose row has them."""
    if "phoneme_ends" not in clip.row:
        return None
    return from_times(clip.row["phonemes"], clip.row["phoneme_ends"], len(clip.frames))


def teach(clips: list[tuple[Speech, np.ndarray]], steps: int = STEPS) -> Aligner:
    """An aligner that learned the clips' labels."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = Aligner()
    opt = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    long_enough = [(clip, labels) for clip, labels in clips if len(labels) >= _CROP]
    for step in range(steps):
        frames, wanted = [], []
        for number in rng.integers(len(long_enough), size=_BATCH):
            clip, labels = long_enough[number]
            start = int(rng.integers(len(labels) - _CROP + 1))
            frames.append(clip.frames[start : start + _CROP].astype(np.float32))
            wanted.append(labels[start : start + _CROP].astype(np.int64))
        logits = model(F.dropout(torch.from_numpy(np.stack(frames)), 0.2))
        target = torch.from_numpy(np.stack(wanted))
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=UNKNOWN, label_smoothing=0.05)
        opt.zero_grad()
        loss.backward()
        opt.param_groups[0]["lr"] = 2e-3 * (1 - step / steps)
        opt.step()
        if step + 1 == steps:
            print(f"aligner: loss {loss.item():.3f}", flush=True)
    return model.eval()


def aligner(features: Path) -> Aligner:
    """The one in aligner.pt, which is taught by the clips with times if it is not there."""
    kept = features / "aligner.pt"
    if not kept.exists():
        clips = [clip for path in sorted(features.glob("natural_open/speech_*.npz")) for clip in load_file(path)]
        made = teach([(clip, labels) for clip in clips if (labels := known_times(clip)) is not None])
        with beside(kept) as tmp:
            torch.save(made.state_dict(), tmp)
    model = Aligner()
    model.load_state_dict(torch.load(kept))
    return model.eval()


@torch.inference_mode()
def labels_of(clip: Speech, text: str, model: Aligner) -> np.ndarray:
    """Labels of a clip by its text; all unknown if they do not belong together."""
    said = phonemes(text) if text else ""
    if not said:
        return np.full(len(clip.frames), UNKNOWN, np.uint8)
    found = align(model(torch.from_numpy(clip.frames.astype(np.float32))[None])[0].log_softmax(-1).numpy(), said)
    return found[0] if found is not None and found[1] > _WORST else np.full(len(clip.frames), UNKNOWN, np.uint8)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--transcripts", type=Path, help="of clips without text: lines of JSON (file, text)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    heard = transcripts_of(chosen.transcripts)
    todo = [path for path in sorted(chosen.features.glob("*/speech_*.npz")) if not phones_beside(path).exists()]
    model = aligner(chosen.features)
    for path in todo:
        clips = load_file(path)
        if heard or all("text" in clip.row for clip in clips):
            made = [known_times(c) if "phoneme_ends" in c.row else labels_of(c, text_of(c, heard), model) for c in clips]
            labels = np.concatenate([part for part in made if part is not None])
            with beside(phones_beside(path)) as tmp, tmp.open("wb") as sink:
                np.save(sink, labels)
            print(f"{path.parent.name}/{path.stem}: {float((labels != UNKNOWN).mean()):.1%} known", flush=True)


def transcripts_of(file: Path | None) -> dict[str, str]:
    """Texts by file, as `recipes.nano.heard` writes them."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines() if file else ())
    return {row["file"]: row["text"] for row in rows}


def text_of(clip: Speech, heard: dict[str, str]) -> str:
    return normalise(clip.row.get("text") or heard.get(clip.row.get("file", ""), ""))


def phones_beside(features: Path) -> Path:
    """The labels' file of a speech_XXXX.npz."""
    return features.with_name(features.name.replace("speech_", "phones_").replace(".npz", ".npy"))


if __name__ == "__main__":
    main()
