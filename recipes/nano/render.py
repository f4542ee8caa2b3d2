"""Render the training audio of nano: `python -m recipes.nano.render --out DIR --sentences FILE`.

Each set becomes a folder of shards: `audio_0000.i16` (mono 24 kHz int16 samples, nothing else) and `index_0000.jsonl` (one
line a clip, with `start` and `num_samples` into that file). A shard is written beside and renamed; finished ones are kept.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from recipes.nano.engines import SAMPLE_RATE_HZ, Samples, speak
from recipes.nano.sets import SETS, Job, jobs
from voicekit.files import beside

SHARD_CLIPS = 250
LEVEL_DBFS = -23.0
MARGIN_S = 0.1
SHORTEST_S = 0.4
LONGEST_S = 12.0
_PEAK = 0.97
_FRAME_S = 0.01
_SILENCE_DB = -40.0

Clip = np.ndarray[tuple[int], np.dtype[np.int16]]


def spoken_range(samples: Samples) -> tuple[int, int] | None:
    """From where to where there is speech, in samples, with 100 ms of margin, which may lie outside; None for silence."""
    frame = int(_FRAME_S * SAMPLE_RATE_HZ)
    padded = np.pad(samples, (0, -len(samples) % frame))
    power = (padded.reshape(-1, frame) ** 2).mean(axis=1)
    if power.size == 0 or power.max() < 1e-8:
        return None
    spoken = np.flatnonzero(power > power.max() * 10 ** (_SILENCE_DB / 10))
    margin = int(MARGIN_S * SAMPLE_RATE_HZ)
    return int(spoken[0]) * frame - margin, (int(spoken[-1]) + 1) * frame + margin


def finish(samples: Samples) -> Clip | None:
    """Trimmed to `spoken_range` and levelled to -23 dBFS; None when it is silent, too short or too long."""
    found = spoken_range(samples)
    if found is None:
        return None
    start, end = found
    clip = np.pad(samples, (max(0, -start), max(0, end - len(samples))))[max(0, start) :][: end - start]
    if not SHORTEST_S <= len(clip) / SAMPLE_RATE_HZ <= LONGEST_S:
        return None
    gain = 10 ** (LEVEL_DBFS / 20) / np.sqrt((clip**2).mean())
    gain = min(gain, _PEAK / np.abs(clip).max())
    return np.round(clip * gain * 32767).astype(np.int16)


def render_shard(folder: Path, number: int, shard: Sequence[Job]) -> int:
    """Write one shard unless it is there already; the number of clips it kept."""
    index = folder / f"index_{number:04d}.jsonl"
    if index.exists():
        return len(index.read_text().splitlines())
    with tempfile.TemporaryDirectory() as scratch:
        waveforms = speak([(job.voice, job.text) for job in shard], Path(scratch))
    clips = [
        (job, clip) for job, wave in zip(shard, waveforms, strict=True) if wave is not None and (clip := finish(wave)) is not None
    ]
    write_shard(folder, number, [_row(folder.name, job) for job, _ in clips], [clip for _, clip in clips])
    return len(clips)


def write_shard(folder: Path, number: int, rows: Sequence[dict[str, object]], clips: Sequence[Clip]) -> None:
    """One shard: the clips one after the other, and a row each with where it lies. The index appears last, so that it marks a
    finished shard."""
    lines, start = [], 0
    for row, clip in zip(rows, clips, strict=True):
        lines.append(json.dumps({**row, "start": start, "num_samples": len(clip)}))
        start += len(clip)
    with beside(folder / f"audio_{number:04d}.i16") as tmp:
        tmp.write_bytes(b"".join(clip.tobytes() for clip in clips))
    with beside(folder / f"index_{number:04d}.jsonl") as tmp:
        tmp.write_text("".join(line + "\n" for line in lines))


def _row(set_name: str, job: Job) -> dict[str, object]:
    voice = job.voice
    whose = {"voice": voice.name, "base": voice.base, "split": voice.split, "named": voice.named}
    return {"id": job.id, "set": set_name, **whose, "text": job.text}


def render_set(out: Path, name: str, sentences: Sequence[str], processes: int, scale: float) -> None:
    """Render every missing shard of one set."""
    wanted = jobs(name, sentences, scale)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    shards = [wanted[start : start + SHARD_CLIPS] for start in range(0, len(wanted), SHARD_CLIPS)]
    with ProcessPoolExecutor(processes) as pool:
        kept = sum(pool.map(render_shard, [folder] * len(shards), range(len(shards)), shards))
    samples = sum(path.stat().st_size // 2 for path in folder.glob("audio_*.i16"))
    print(f"{name}: {kept} of {len(wanted)} clips, {samples / SAMPLE_RATE_HZ / 3600:.2f} h", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the sets")
    parser.add_argument("--sentences", type=Path, required=True, help="open text, one sentence a line")
    parser.add_argument("--set", choices=SETS, action="append", help="only this set (may be repeated); all by default")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="render only this part of each set")
    chosen = parser.parse_args()
    sentences = chosen.sentences.read_text(encoding="utf-8").splitlines()
    for name in chosen.set or SETS:
        render_set(chosen.out, name, sentences, chosen.processes, chosen.scale)


if __name__ == "__main__":
    main()
