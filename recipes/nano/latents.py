"""WORLD latents for training the decoder: a mixture of synthetic voices and all real readers, packed in one file.

Every clip comes a second time with its F0 moved and its envelope kept, re-synthesised: the same speaker at another pitch. So
the decoder cannot guess pitch from the speaker and has to take it from the tokens, which is where a voice is learned.

python -m recipes.nano.latents --audio DIR --readers DIR --out FILE [--clips N]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from recipes.nano.stored import move, save_latents, to_bytes
from voicekit.covo.features import log_mel
from voicekit.covo.vocoder import LOG_F0, VOICING, analyse, synthesise
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ

LONGEST_S = 7.0
LOWEST_HZ, HIGHEST_HZ = 80.0, 300.0


def rendered(folder: Path, count: int, rng: np.random.Generator) -> list[tuple[str, FloatArray]]:
    """`count` random clips of a rendered set: (voice, samples)."""
    rows = [(f, json.loads(line)) for f in sorted(folder.glob("index_*.jsonl")) for line in f.read_text().splitlines()]
    picked = rng.choice(len(rows), min(count, len(rows)), replace=False)
    out = []
    for i in picked:
        index, row = rows[i]
        audio = np.memmap(index.with_name(index.name.replace("index_", "audio_").replace(".jsonl", ".i16")), np.int16, "r")
        length = min(row["num_samples"], int(LONGEST_S * MODEL_RATE_HZ))
        out.append((row["voice"], audio[row["start"] : row["start"] + length].astype(np.float32) / 32768))
    return out


def readers(folder: Path) -> list[tuple[str, FloatArray]]:
    """The middle LONGEST_S of every real reader."""
    out = []
    for path in sorted(folder.glob("*.flac")):
        samples, rate_hz = sf.read(path, dtype="float32")
        middle, half = len(samples) // 2, int(LONGEST_S * rate_hz / 2)
        audio = soxr.resample(samples[max(0, middle - half) : middle + half], rate_hz, MODEL_RATE_HZ).astype(np.float32)
        out.append(("reader-" + path.name.split("-")[0], audio * (0.07 / (np.sqrt((audio**2).mean()) + 1e-9))))
    return out


def pitch_move(latents: FloatArray, rng: np.random.Generator) -> float:
    """By how much log F0 is to move so that its mean lies between LOWEST_HZ and HIGHEST_HZ, at most an octave away."""
    voiced = latents[:, VOICING] > 0.5
    mean = float(latents[voiced, LOG_F0].mean()) if voiced.any() else float(latents[:, LOG_F0].mean())
    low, high = max(np.log(LOWEST_HZ), mean - np.log(2)), min(np.log(HIGHEST_HZ), mean + np.log(2))
    return float(rng.uniform(min(low, mean), max(high, mean)) - mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--readers", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=900)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    clips = rendered(args.audio / "open_train", args.clips, rng) + readers(args.readers)
    done, parts = [], []
    for number, (voice, samples) in enumerate(clips):
        latents = analyse(samples)
        higher = pitch_move(latents, rng)
        other = move(latents, higher)
        for audio, made, by in ((samples, latents, 0.0), (synthesise(other), other, higher)):
            done.append({"voice": voice, "frames": len(made), "moved": by})
            parts.append((to_bytes(log_mel(audio)), made.astype(np.float16)))
        if number % 50 == 0:
            print(f"{number} of {len(clips)}", flush=True)
    mels, latents = zip(*parts, strict=True)
    save_latents(args.out, done, list(mels), list(latents))


if __name__ == "__main__":
    main()
