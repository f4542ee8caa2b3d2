"""How well the embedded diarizer tells readers apart: conversations spliced from readers, one or several of each kind.

Reference: which reader speaks in each stretch that the voice activity detector finds in the reader alone. Miss and false alarm
are therefore flattered; what is measured is whether speakers are taken for each other, and counted. Error rate as
pyannote.metrics has it, with a collar of 0.25 s on each side of a boundary.

python -m bench.diarization FOLDER [--conversations N] [--seed N]      FOLDER: one audio file a reader
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from voicekit import audio
from voicekit.backends.diarization import Ge2eDiarizer
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.backends.vad import SileroVad
from voicekit.records import SpeakerTurn, Waveform

RATE_HZ = 16_000
COLLAR_S = 0.25
SPEAKERS = (1, 2, 3, 4)
TURN_S = (1.0, 5.0)
SHORTEST_S = 6.0
PAUSE_S = (0.1, 0.8)


def conversation(waves: list[Waveform], vad: SileroVad, draw: np.random.Generator) -> tuple[Waveform, list[SpeakerTurn]]:
    """Turns of all readers in random order until one has no speech left, with a little noise of the room under all."""
    position = [0.0] * len(waves)
    pieces: list[np.ndarray] = []
    turns: list[SpeakerTurn] = []
    now_s, last = 0.0, -1
    while True:
        speaker = int(draw.choice([k for k in range(len(waves)) if k != last or len(waves) == 1]))
        length_s, pause_s = draw.uniform(*TURN_S), draw.uniform(*PAUSE_S)
        start = int(position[speaker] * RATE_HZ)
        piece = waves[speaker].samples[:, start : start + int(length_s * RATE_HZ)]
        if piece.shape[1] < int(length_s * RATE_HZ):
            break
        position[speaker], last = position[speaker] + length_s, speaker
        level = 10 ** (draw.uniform(-26, -20) / 20) / float(piece.std())
        for a, b in vad.speech_spans(Waveform(piece, RATE_HZ)):
            turns.append(SpeakerTurn(str(speaker), now_s + a, now_s + b))
        pieces += [piece * level, np.zeros((1, int(pause_s * RATE_HZ)), np.float32)]
        now_s += (pieces[-2].shape[1] + pieces[-1].shape[1]) / RATE_HZ
    samples = np.concatenate(pieces, axis=1)
    samples = samples + 1e-3 * draw.standard_normal(samples.shape).astype(np.float32)
    return Waveform(samples.astype(np.float32), RATE_HZ), turns


def annotation(turns: list[SpeakerTurn] | tuple[SpeakerTurn, ...]) -> Annotation:
    made = Annotation()
    for number, turn in enumerate(turns):
        made[Segment(turn.start_s, turn.end_s), number] = turn.speaker
    return made


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("folder", type=Path)
    options.add_argument("--conversations", type=int, default=8)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    files = sorted(path for path in given.folder.iterdir() if path.suffix in audio.SUFFIXES)
    readers = [wave for wave in map(audio.read, files) if wave.duration_s >= SHORTEST_S]
    vad, draw = SileroVad(), np.random.default_rng(given.seed)
    diarizer = Ge2eDiarizer(vad, Ge2eSpeakerEncoder())
    print("| speakers | told how many | error rate | confusion | miss | false alarm | number right | times real time |")
    print("|---|---|---|---|---|---|---|---|")
    for count in SPEAKERS:
        made = []
        for _ in range(given.conversations):
            chosen = draw.choice(len(readers), count, replace=False)
            waves = [audio.resample(readers[k], RATE_HZ) for k in chosen]
            made.append(conversation(waves, vad, draw))
        for told in (False, True):
            metric = DiarizationErrorRate(collar=2 * COLLAR_S, skip_overlap=False)
            right, spent_s = 0, 0.0
            for wave, turns in made:
                began = time.perf_counter()
                found = diarizer.diarize(wave, count if told else None)
                spent_s += time.perf_counter() - began
                metric(annotation(turns), annotation(found))
                right += len({t.speaker for t in found}) == len({t.speaker for t in turns})
            sums = metric.accumulated_
            shares = [100 * sums[k] / sums["total"] for k in ("confusion", "missed detection", "false alarm")]
            speed = sum(wave.duration_s for wave, _ in made) / spent_s
            print(
                f"| {count} | {'yes' if told else 'no'} | {100 * abs(metric):.1f} % | "
                f"{' | '.join(f'{s:.1f} %' for s in shares)} | {right} of {len(made)} | {speed:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
