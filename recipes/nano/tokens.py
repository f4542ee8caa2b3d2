"""Speech tokens of the base's named voices, and of the decoder's clips, by the trained tokenizer: one small file a set.

python -m recipes.nano.tokens --work DIR [--device cpu]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from recipes.nano.shape import Places
from recipes.nano.stored import from_bytes, load_set, save_arrays
from voicekit.covo.speech_tokenizer import SpeechTokenizer
from voicekit.records import IntArray

SETS = ("answers_train", "narr_train", "open_train")
BATCH_TOKENS = 3000


@torch.inference_mode()
def encode_all(tokenizer: SpeechTokenizer, mels: list[np.ndarray]) -> list[IntArray]:
    """Codes of mels [4N, 80] in bytes, many at once, in the given order."""
    order = sorted(range(len(mels)), key=lambda i: len(mels[i]))
    out: list[IntArray] = [np.zeros(0, np.int64)] * len(mels)
    weight = tokenizer.conv1.weight
    while order:
        longest = len(mels[order[-1]]) // 4
        batch = [order.pop() for _ in range(min(len(order), max(1, BATCH_TOKENS // longest)))]
        mask = torch.zeros(len(batch), longest, dtype=torch.bool)
        x = torch.zeros(len(batch), 4 * longest, 80)
        for row, i in enumerate(batch):
            x[row, : len(mels[i])] = torch.from_numpy(from_bytes(mels[i]))
            mask[row, : len(mels[i]) // 4] = True
        mask = mask.to(weight.device)
        codes = tokenizer.quantizer.indices(tokenizer.to_code(tokenizer.hidden(x.to(weight), mask))).cpu().numpy()
        for row, i in enumerate(batch):
            out[i] = codes[row, : len(mels[i]) // 4]
    return out


def write(out: Path, rows: list[dict], codes: list[IntArray]) -> None:
    counts = np.array([len(c) for c in codes])
    save_arrays(out, {"codes": np.concatenate(codes).astype(np.int16), "counts": counts, "rows": json.dumps(rows)})


def read(file: Path) -> list[tuple[IntArray, dict]]:
    """(codes int64 [N], row of the index) of every clip of a set."""
    data = np.load(file)
    parts = np.split(data["codes"].astype(np.int64), np.cumsum(data["counts"])[:-1])
    return list(zip(parts, json.loads(str(data["rows"])), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    places = Places(args.work)
    places.codes.mkdir(parents=True, exist_ok=True)
    tokenizer = SpeechTokenizer.load(places.tokenizer, args.device)
    latents = args.work / "latents.npz"
    if latents.exists() and not (places.codes / "latents.npz").exists():
        data = np.load(latents)
        rows = json.loads(str(data["rows"]))
        mels = np.split(data["mel"], np.cumsum([row["frames"] for row in rows])[:-1])
        write(places.codes / "latents.npz", rows, encode_all(tokenizer, mels))
    for name in SETS:
        out = places.codes / f"{name}.npz"
        items = [] if out.exists() else [i for i in load_set(places.audio / name) if i.row["named"]]
        if items:
            write(out, [i.row for i in items], encode_all(tokenizer, [i.mel for i in items]))
            print(name, len(items), flush=True)


if __name__ == "__main__":
    main()
