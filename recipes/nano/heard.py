"""What Whisper base hears: transcripts of recordings, and how many words of resynthesised clips it mishears.

python -m recipes.nano.heard --whisper DIR --flac DIR --out FILE: transcripts of a folder, one line of JSON a file
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr

from recipes.nano.speech_features import Speech
from recipes.nano.text import normalise
from voicekit.covo.vocoder import synthesise
from voicekit.evaluate.text import spoken_words
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ, TOKEN_HZ

RATE_HZ = 16_000
_WINDOW_S = 28.0
TESTS = ("test_voices", "ljspeech-16")


Pair = tuple[str, str]


class Judge:
    """A Whisper in CTranslate2's format that reads English with a beam of five."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        from faster_whisper import WhisperModel  # type: ignore[import-not-found]

        self._model: Any = WhisperModel(str(folder), compute_type="int8", cpu_threads=threads, local_files_only=True)

    def hear(self, samples: FloatArray, rate_hz: int) -> str:
        """Mono samples [T] as text."""
        audio = np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.float32)
        found, _ = self._model.transcribe(audio, language="en", beam_size=5, condition_on_previous_text=False)
        return " ".join(segment.text.strip() for segment in found)


def wrong(pairs: Iterable[Pair]) -> tuple[float, float]:
    """Rates of words and letters wrong over all (said, heard) together; "15th" and "fifteenth" are the same."""
    import jiwer

    said, heard = ([" ".join(spoken_words(normalise(text))) for text in side] for side in zip(*pairs, strict=True))
    return float(jiwer.wer(said, heard)), float(jiwer.cer(said, heard))


def through(clips: Sequence[Speech], way: Callable[[Speech], FloatArray], judge: Judge, *, together: bool = False) -> list[Pair]:
    """(said, heard) of clips whose WORLD latents come out of `way`.

    With `together` the clips that fit into 28 s are heard as one: a quarter of the time, for choosing.
    """
    pairs, texts, sounds = [], [], []
    for number, clip in enumerate(clips):
        texts.append(clip.row["text"])
        sounds += [synthesise(way(clip)), np.zeros(MODEL_RATE_HZ, np.float32)]
        after = clips[number + 1].tokens / TOKEN_HZ if number + 1 < len(clips) else _WINDOW_S
        if not together or sum(map(len, sounds)) / MODEL_RATE_HZ + after > _WINDOW_S:
            pairs.append((" ".join(texts), judge.hear(np.concatenate(sounds if together else sounds[:1]), MODEL_RATE_HZ)))
            texts, sounds = [], []
    return pairs


def transcribe(folder: Path, out: Path, judge: Judge) -> None:
    """Lines of JSON (file, text) for every FLAC file of a folder; those already in `out` are skipped."""
    done = {json.loads(line)["file"] for line in out.read_text(encoding="utf-8").splitlines()} if out.exists() else set()
    with out.open("a", encoding="utf-8") as sink:
        for path in sorted(folder.glob("*.flac")):
            if path.name not in done:
                samples, rate_hz = sf.read(path, dtype="float32")
                text = judge.hear(np.asarray(samples, np.float32), rate_hz)
                sink.write(json.dumps({"file": path.name, "text": text}) + "\n")
                sink.flush()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whisper", type=Path, required=True, help="folder of a Whisper for faster-whisper")
    parser.add_argument("--flac", type=Path, required=True, help="recordings to transcribe")
    parser.add_argument("--out", type=Path, required=True, help="file of the transcripts")
    chosen = parser.parse_args()
    transcribe(chosen.flac, chosen.out, Judge(chosen.whisper))


if __name__ == "__main__":
    main()
