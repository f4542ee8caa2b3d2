"""Features as they are kept: a set is a folder of mel_XXXX.npz with an index_XXXX.jsonl beside each. Needs numpy alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voicekit.covo.features import PITCH_LATENTS
from voicekit.files import beside
from voicekit.records import FloatArray

MEL_LOW, MEL_STEP = -14.0, 0.085


def to_bytes(mel: FloatArray) -> np.ndarray:
    return np.clip(np.round((mel - MEL_LOW) / MEL_STEP), 0, 255).astype(np.uint8)


def from_bytes(mel: np.ndarray) -> FloatArray:
    return mel.astype(np.float32) * MEL_STEP + MEL_LOW


@dataclass(frozen=True, eq=False)
class Item:
    """One clip: mel uint8 [4N, 80], pitch float16 [N] in Hz, and its row of the index."""

    mel: np.ndarray
    pitch: np.ndarray
    row: dict

    @property
    def tokens(self) -> int:
        return len(self.pitch)


def save(out: Path, mels: Sequence[np.ndarray], pitches: Sequence[np.ndarray]) -> None:
    """mel uint8 [sum 4N, 80], pitch float16 [sum N], tokens int32 [clips], in the order of the index beside it."""
    counts = np.array([len(p) for p in pitches], np.int32)
    save_arrays(out, {"mel": np.concatenate(mels), "pitch": np.concatenate(pitches), "tokens": counts})


def save_arrays(out: Path, arrays: dict[str, Any]) -> None:
    """An npz, written beside and renamed."""
    with beside(out) as tmp, tmp.open("wb") as sink:
        np.savez(sink, **arrays)


def index_of(features: Path) -> Path:
    """The index beside a mel_XXXX.npz."""
    return features.with_name(features.name.replace("mel_", "index_").replace(".npz", ".jsonl"))


def load_set(folder: Path) -> list[Item]:
    """All clips of a set whose features are there."""
    items: list[Item] = []
    for path in sorted(folder.glob("mel_*.npz")):
        rows = index_of(path).read_text().splitlines()
        data = np.load(path)
        mel, pitch, start = data["mel"], data["pitch"], 0
        for count, row in zip(data["tokens"], rows, strict=True):
            items.append(Item(mel[4 * start : 4 * (start + count)], pitch[start : start + count], json.loads(row)))
            start += count
    return items


def save_latents(out: Path, rows: list[dict], mels: Sequence[np.ndarray], latents: Sequence[np.ndarray]) -> None:
    """Clips for the decoder: mel uint8 [sum 4N, 80], latents float16 [sum 4N, 64], and a row a clip (voice, frames, moved).

    They come in pairs: a clip, and the same speaker's with log F0 moved by `moved`.
    """
    save_arrays(out, {"rows": np.array(json.dumps(rows)), "mel": np.concatenate(mels), "latents": np.concatenate(latents)})


def move(latents: np.ndarray, log_f0: float) -> np.ndarray:
    """The latents [M, 64] with another F0 and the same envelope."""
    out = latents.copy()
    out[:, PITCH_LATENTS[0]] += log_f0
    return out
