"""How well readers are told apart who take turns and speak at once: the embedded diarizer beside pyannote.audio's own pipeline.

python -m bench.diarization FOLDER [--conversations 10] [--seed 1] [--half test]      FOLDER: one audio file a reader

Conversations are spliced from readers: turns of 1 to 5 s, three of ten begin before the last has ended. Every second reader is
for development: thresholds of both were chosen on these, and the others are measured. Who speaks when is known from the level
of each reader alone. Errors as pyannote.metrics counts them, with a collar of 0.25 s on each side of a boundary; the number of
speakers is not told. Both use the same segmentation and speaker encoder. The result is a section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from bench.messy import telephone_band
from bench.pyannote_pipeline import stock_pipeline
from bench.sections import publish_section
from voicekit import audio
from voicekit.instrument_ports import Diarizer
from voicekit.prepare.spans import Span
from voicekit.records import FloatArray, SpeakerTurn, Waveform
from voicekit.settings import Settings
from voicekit.wiring import engines

RATE_HZ = 16_000
COLLAR_S = 0.25
CASES = ((1, "full"), (2, "full"), (3, "full"), (5, "full"), (1, "telephone"), (3, "telephone"))
TURN_S, PAUSE_S, OVERLAP_S = (1.0, 5.0), (0.1, 0.8), (0.3, 1.5)
INTERRUPTED = 0.3
SHORTEST_S = 6.0
LEVEL_DB = (-26.0, -20.0)
SPEECH_BELOW_LOUD_DB = 30.0
FRAME_S, PAUSE_BRIDGED_S = 0.01, 0.25


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--conversations", type=int, default=10)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--half", choices=("test", "development"), default="test")
    options.add_argument("--docs", type=Path, default=Path("docs"))
    given = options.parse_args()
    waves = [wave for wave in map(audio.read, recordings(given.folder)) if wave.duration_s >= SHORTEST_S]
    half = waves[0 if given.half == "development" else 1 :: 2]
    readers = [audio.resample(wave, RATE_HZ).samples[0] for wave in half]
    diarizers = {"embedded": engines(Settings()).diarizer("embedded"), "pyannote's pipeline": stock_pipeline()}
    lines = [
        "| speakers | band | diarizer | error rate | confusion | missed | false alarm | number right | × real time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for count, band in CASES:
        draw = np.random.default_rng((given.seed, count))
        made = [conversation([readers[k] for k in chosen(len(readers), count, draw)], draw) for _ in range(given.conversations)]
        if band == "telephone":
            made = [(telephone_band(samples, RATE_HZ), turns) for samples, turns in made]
        for name, diarizer in diarizers.items():
            lines.append(f"| {count} | {band} | {name} | {measured(diarizer, made)} |")
            print(lines[-1], flush=True)
    text = section(lines, given.conversations, len(readers))
    print(text)
    if given.half == "test":
        publish_section("diarization", text, given.docs)


def recordings(folder: Path) -> list[Path]:
    """The audio files of a folder, numbers in their names by size."""

    def parts(path: Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.stem)]

    return sorted((path for path in folder.iterdir() if path.suffix in audio.SUFFIXES), key=parts)


def chosen(readers: int, count: int, draw: np.random.Generator) -> list[int]:
    return [int(k) for k in draw.choice(readers, count, replace=False)]


def conversation(voices: Sequence[FloatArray], draw: np.random.Generator) -> tuple[FloatArray, list[SpeakerTurn]]:
    """Turns in random order until at most one reader has speech left, with a little noise of the room under all."""
    gains = [10 ** (draw.uniform(*LEVEL_DB) / 20) / float(voice.std()) for voice in voices]
    place, left = [0] * len(voices), set(range(len(voices)))
    placed: list[tuple[float, FloatArray]] = []
    turns: list[SpeakerTurn] = []
    now_s, last = 0.3, -1
    while len(left) > (1 if len(voices) > 1 else 0):
        who = int(draw.choice([k for k in sorted(left) if k != last or len(voices) == 1]))
        length = int(draw.uniform(*TURN_S) * RATE_HZ)
        piece = voices[who][place[who] : place[who] + length]
        if len(piece) < length:
            left.discard(who)
            continue
        place[who] += length
        start_s = now_s + draw.uniform(*PAUSE_S)
        if placed and len(voices) > 1 and draw.random() < INTERRUPTED:
            start_s = max(now_s - draw.uniform(*OVERLAP_S), placed[-1][0] + 0.2)
        placed.append((start_s, (piece * gains[who]).astype(np.float32)))
        turns += [SpeakerTurn(str(who), start_s + a, start_s + b) for a, b in loud_spans(piece)]
        now_s, last = max(now_s, start_s + length / RATE_HZ), who
    mixed = 1e-3 * draw.standard_normal(int((now_s + 0.5) * RATE_HZ))
    for start_s, piece in placed:
        first = int(start_s * RATE_HZ)
        mixed[first : first + len(piece)] += piece
    return mixed.astype(np.float32), turns


def loud_spans(samples: FloatArray) -> list[Span]:
    """Where a reader speaks: at most 30 dB below what is loud; short pauses belong to it."""
    size = int(FRAME_S * RATE_HZ)
    power = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    level_db = 10 * np.log10(np.convolve(power, np.ones(3) / 3, "same") + 1e-10)
    loud = level_db > np.percentile(level_db, 95) - SPEECH_BELOW_LOUD_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    found: list[Span] = []
    for start_s, end_s in FRAME_S * edges.reshape(-1, 2):
        before = found.pop() if found and start_s - found[-1][1] < PAUSE_BRIDGED_S else (float(start_s), 0.0)
        found.append((before[0], float(end_s)))
    return [(a, b) for a, b in found if b - a > 0.1]


def measured(diarizer: Diarizer, made: Sequence[tuple[FloatArray, list[SpeakerTurn]]]) -> str:
    """Cells of the table: error rate and its parts, number of speakers right, speed."""
    metric = DiarizationErrorRate(collar=2 * COLLAR_S, skip_overlap=False)
    right, spent_s, length_s = 0, 0.0, 0.0
    for samples, turns in made:
        wave = Waveform(samples[None], RATE_HZ)
        began_s = time.process_time()
        found = diarizer.diarize(wave)
        spent_s, length_s = spent_s + time.process_time() - began_s, length_s + wave.duration_s
        metric(annotation(turns), annotation(found))
        right += len({t.speaker for t in found}) == len({t.speaker for t in turns})
    sums = metric.accumulated_
    parts = " | ".join(f"{100 * sums[k] / sums['total']:.1f} %" for k in ("confusion", "missed detection", "false alarm"))
    return f"{100 * abs(metric):.1f} % | {parts} | {right} of {len(made)} | {length_s / spent_s:.0f}"


def annotation(turns: Sequence[SpeakerTurn]) -> Annotation:
    made = Annotation()
    for number, turn in enumerate(turns):
        made[Segment(turn.start_s, turn.end_s), number] = turn.speaker
    return made


def section(lines: Sequence[str], conversations: int, readers: int) -> str:
    return "\n".join(
        [
            "## Who speaks when",
            "",
            f"`python -m bench.diarization`; {conversations} conversations of each kind, of {readers} readers on whom nothing",
            "was tuned. Three turns of ten begin before the last has ended; the number of speakers is not told. Collar 0.25 s;",
            "what two say at once counts twice. Times real time of processor time. pyannote's pipeline has the same",
            "segmentation and speaker encoder and its own clustering, with thresholds chosen for it on the other readers in",
            "full band; it does not know of telephones.",
            "",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
