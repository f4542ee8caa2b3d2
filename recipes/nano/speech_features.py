"""Recordings -> what the speech tokenizer and its decoder learn from: Whisper frames, WORLD latents, and a row a clip.

python -m recipes.nano.speech_features --whisper model.bin --out DIR [--rendered DIR ...] [--listed DIR ...] [--flac DIR ...]
[--scripted DIR ...]

A set becomes a folder of speech_XXXX.npz: frames float16 [sum 2N, 512] at 50 Hz, latents float16 [sum 4N, 64] at 100 Hz
(`voicekit.covo.vocoder`, pitch by DIO: its octave errors are rare enough for training), tokens int32 [clips], rows (JSON).
Finished files are kept, so that a growing set may be run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import torch
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from recipes.nano.natural_sets import TEST_PEOPLE
from recipes.nano.stored import save_arrays
from recipes.nano.text import normalise
from recipes.nano.whisper_frames import LONGEST_S, load_whisper
from voicekit.covo.adapter import whisper_frames
from voicekit.covo.vocoder import quick_analyse
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ

SHARD_CLIPS = 50
LEVEL = 0.07  # root mean square: -23 dBFS

Source = Iterator[tuple[dict, FloatArray]]


@dataclass(frozen=True, eq=False)
class Speech:
    """One clip of N tokens: Whisper frames float16 [2N, 512], raw WORLD latents float16 [4N, 64], and what is known of it."""

    frames: np.ndarray
    latents: np.ndarray
    row: dict

    @property
    def tokens(self) -> int:
        return len(self.latents) // 4


def load_speech(folder: Path) -> list[Speech]:
    """All clips of a set that are prepared, in order."""
    return [clip for path in sorted(folder.glob("speech_*.npz")) for clip in load_file(path)]


def load_file(path: Path) -> list[Speech]:
    """The clips of one file."""
    with np.load(path) as data:
        ends = np.cumsum(data["tokens"])[:-1]
        frames, latents = np.split(data["frames"], 2 * ends), np.split(data["latents"], 4 * ends)
        return [Speech(*parts) for parts in zip(frames, latents, json.loads(str(data["rows"])), strict=True)]


def level(samples: FloatArray, rate_hz: int) -> FloatArray:
    """At 24 kHz and -23 dBFS."""
    audio = np.asarray(soxr.resample(samples, rate_hz, MODEL_RATE_HZ), np.float32)
    return audio * np.float32(LEVEL / (np.sqrt((audio**2).mean()) + 1e-9))


def rendered(folder: Path) -> Iterator[tuple[str, Source]]:
    """Shards of a set that `recipes.nano.render` or `.natural` wrote, by number."""
    for index in sorted(folder.glob("index_*.jsonl")):
        number = index.stem.removeprefix("index_")
        yield number, _rendered_clips(index, np.memmap(folder / f"audio_{number}.i16", np.int16, "r"))


def _rendered_clips(index: Path, audio: np.ndarray) -> Source:
    for line in index.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row, audio[row["start"] : row["start"] + row["num_samples"]].astype(np.float32) / np.float32(32768)


def listed(folder: Path) -> Iterable[dict]:
    """Rows of a folder with meta.jsonl (file, text, voice = pack -> weight), without the people kept for testing."""
    for line in (folder / "meta.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not set(row["voice"]) & set(TEST_PEOPLE):
            yield {"file": row["file"], "text": normalise(row["text"]), "voice": "+".join(row["voice"])}


def readers(folder: Path) -> Iterable[dict]:
    """Rows of a folder of FLAC files named reader-chapter-utterance, without text."""
    return ({"file": path.name, "voice": path.name.split("-")[0]} for path in sorted(folder.glob("*.flac")))


def scripted(folder: Path) -> Iterable[dict]:
    """Rows of a folder in LJ Speech's form: metadata.csv (id|text|text) and wavs/."""
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, _, text = line.split("|")
        yield {"file": f"wavs/{name}.wav", "text": normalise(text), "voice": folder.name}


def files(folder: Path, rows: Iterable[dict]) -> Iterator[tuple[str, Source]]:
    """Shards of SHARD_CLIPS files each."""
    every = list(rows)
    for start in range(0, len(every), SHARD_CLIPS):
        yield f"{start // SHARD_CLIPS:04d}", _file_clips(folder, every[start : start + SHARD_CLIPS])


def _file_clips(folder: Path, rows: Iterable[dict]) -> Source:
    for row in rows:
        samples, rate_hz = sf.read(folder / row["file"], dtype="float32")
        yield row, level(np.asarray(samples, np.float32), rate_hz)


def prepare(out: Path, shards: Iterator[tuple[str, Source]], whisper: WhisperEncoder) -> None:
    """Write every shard of a set that is not there."""
    for number, source in shards:
        path = out / f"speech_{number}.npz"
        if path.exists():
            continue
        frames, latents, rows = [], [], []
        for row, samples in source:
            if len(samples) > LONGEST_S * MODEL_RATE_HZ:
                continue
            frames.append(whisper_frames(whisper, samples).numpy().astype(np.float16))
            latents.append(quick_analyse(samples).astype(np.float16))
            rows.append(row)
        tokens = np.array([len(part) // 4 for part in latents], np.int32)
        arrays = {"frames": np.concatenate(frames), "latents": np.concatenate(latents), "tokens": tokens}
        save_arrays(path, {**arrays, "rows": np.array(json.dumps(rows))})
        print(f"{out.name} {number}: {len(rows)} clips, {tokens.sum() / 25:.0f} s", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whisper", type=Path, required=True, help="CTranslate2's float16 model.bin of Whisper base")
    parser.add_argument("--out", type=Path, required=True, help="a folder for the sets")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="sets written by recipes.nano.natural or .render")
    parser.add_argument("--listed", type=Path, nargs="*", default=[], help="folders of files with a meta.jsonl")
    parser.add_argument("--flac", type=Path, nargs="*", default=[], help="folders of readers without text")
    parser.add_argument("--scripted", type=Path, nargs="*", default=[], help="folders in LJ Speech's form")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    whisper = load_whisper(chosen.whisper)
    for folder in chosen.rendered:
        prepare(chosen.out / folder.name, rendered(folder), whisper)
    for kind, rows_of in ((chosen.scripted, scripted), (chosen.listed, listed), (chosen.flac, readers)):
        for folder in kind:
            prepare(chosen.out / folder.name, files(folder, rows_of(folder)), whisper)


if __name__ == "__main__":
    main()
