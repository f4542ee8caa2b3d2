"""Build nano from nothing, step by step; every step is skipped or continued when it was run before.

python -m recipes.nano.build --work DIR --sentences FILE --readers DIR [--device cpu] [--part prepare|train|all] [--packed FILE]

`prepare` needs the synthesisers (flite, festival, espeak-ng, RHVoice, SVOX Pico) and only the CPU; `train` needs torch,
transformers, numpy, scipy and safetensors, and takes what `prepare` left in --work. To prepare here and train there,
`--part prepare --packed FILE` leaves all that training reads in one file, and `--part train --packed FILE` begins with that file
alone. --scale shrinks data and steps for a quick trial.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

STEPS = {"typed": 1000, "tokenizer": 6500, "hearing": 3500, "decoder": 5400, "chat": 9900, "naming": 400, "listening": 4500}


def commands(args: argparse.Namespace) -> list[list[str]]:
    """The programs in order, with their arguments."""
    work, audio = str(args.work), str(args.work / "audio")
    device = ["--device", args.device, "--threads", str(args.threads), "--seed", str(args.seed)]
    steps = {name: str(max(20, round(count * args.scale))) for name, count in STEPS.items()}
    sentences, readers = ["--sentences", str(args.sentences)], str(args.readers)
    prepare = [
        ["text_tokenizer", "--work", work, *sentences],
        ["render", "--out", audio, *sentences, "--processes", str(args.threads), "--scale", str(args.scale)],
        ["readers", "--folder", readers, "--out", str(args.work / "readers.jsonl"), "--processes", str(args.threads)],
        ["features", "--audio", audio, "--readers", readers, "--transcripts", str(args.work / "readers.jsonl")],
        ["latents", "--audio", audio, "--readers", readers, "--out", str(args.work / "latents.npz"),
         "--clips", str(round(900 * args.scale))],
        ["hearing", "--work", work, "--steps", "0"],
    ]  # fmt: skip
    packed = ["--work", work, "--file", str(args.packed)]
    if args.packed:
        prepare.append(["packed", "pack", *packed])
    if args.init:
        device = [*device, "--init", str(args.init)]
    resumed = ["--vq-from", "0"] if args.init else []
    train = [
        ["chat", "--work", work, "--typed", "--steps", steps["typed"], *device],
        ["tokenizer", "--audio", audio, "--out", str(args.work / "tok"), "--steps", steps["tokenizer"], *device, *resumed],
        ["tokens", "--work", work, *device[:4]],
        ["hearing", "--work", work, "--steps", steps["hearing"], *device],
        ["decoder", "--work", work, "--steps", steps["decoder"], *device],
        ["chat", "--work", work, "--steps", steps["chat"], *device],
        ["pack", "--work", work, "--out", str(args.out)],
        ["naming", "--work", work, "--base", str(args.out), "--steps", steps["naming"], *device[:6]],
        ["listening", "--work", work, "--base", str(args.out), "--steps", steps["listening"], *device[:6]],
    ]
    if args.packed and args.part == "train":
        train.insert(0, ["packed", "unpack", *packed])
    return {"prepare": prepare, "train": train, "all": prepare + train}[args.part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for everything on the way (20 GB)")
    parser.add_argument("--sentences", type=Path, help="open text, one sentence a line (LJ Speech's, say)")
    parser.add_argument("--readers", type=Path, help="FLAC files of real readers, 16 kHz (LibriSpeech)")
    parser.add_argument("--out", type=Path, default=Path("voicekit/assets/nano"))
    parser.add_argument("--part", choices=("prepare", "train", "all"), default="all")
    parser.add_argument("--packed", type=Path, help="one small file with all that training reads: written or begun with")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=Path, help="go on from this packed base's weights instead of from nothing")
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    if args.part != "train" and not (args.sentences and args.readers):
        parser.error("preparing needs --sentences and --readers")
    for command in commands(args):
        print("recipes.nano." + " ".join(command), flush=True)
        subprocess.run([sys.executable, "-m", f"recipes.nano.{command[0]}", *command[1:]], check=True)


if __name__ == "__main__":
    main()
