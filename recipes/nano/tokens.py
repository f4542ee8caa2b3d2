"""Speech tokens of prepared sets, by the trained tokenizer.

python -m recipes.nano.tokens --tokenizer DIR --features DIR --out DIR

One small file a set (codes int16 of all clips, how many of each, a row a clip as JSON): what the chat model and the reader of
tokens learn from.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from recipes.nano.phonetic import Phonetic
from recipes.nano.speech_features import load_file
from recipes.nano.stored import save_arrays
from voicekit.records import IntArray

ROW = ("text", "voice", "named", "file")


def encode_set(tokenizer: Phonetic, folder: Path) -> tuple[list[dict], list[IntArray]]:
    """Rows and codes int64 [N] of every clip of a set."""
    rows, codes = [], []
    for path in sorted(folder.glob("speech_*.npz")):
        for clip in load_file(path):
            rows.append({key: clip.row[key] for key in ROW if key in clip.row})
            codes.append(tokenizer.encode(clip.frames, clip.latents))
    return rows, codes


def write(out: Path, rows: list[dict], codes: list[IntArray]) -> None:
    """One set's file."""
    counts = np.array([len(c) for c in codes])
    save_arrays(out, {"codes": np.concatenate(codes).astype(np.int16), "counts": counts, "rows": json.dumps(rows)})


def read(file: Path) -> list[tuple[IntArray, dict]]:
    """(codes int64 [N], row) of every clip of a set."""
    data = np.load(file)
    parts = np.split(data["codes"].astype(np.int64), np.cumsum(data["counts"])[:-1])
    return list(zip(parts, json.loads(str(data["rows"])), strict=True))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a saved recipes.nano.phonetic")
    parser.add_argument("--features", type=Path, required=True, help="sets of recipes.nano.speech_features")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Phonetic.load(chosen.tokenizer)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in chosen.features.iterdir() if any(path.glob("speech_*.npz"))):
        rows, codes = encode_set(tokenizer, folder)
        write(chosen.out / f"{folder.name}.npz", rows, codes)
        print(f"{folder.name}: {len(codes)} clips, {sum(map(len, codes)) / 25 / 3600:.2f} h", flush=True)


if __name__ == "__main__":
    main()
