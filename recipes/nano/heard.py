"""What Whisper base hears: transcripts of recordings, and how many words of resynthesised clips it mishears.

python -m recipes.nano.heard --flac DIR --out FILE: transcripts of a folder, one line of JSON a file
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from recipes.nano.speech_features import Speech
from recipes.nano.text import normalise
from voicekit import audio
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.covo.vocoder import synthesise
from voicekit.evaluate.text import spoken_words
from voicekit.records import FloatArray, Waveform
from voicekit.shipped import shipped_model
from voicekit.timebase import MODEL_RATE_HZ, TOKEN_HZ

_WINDOW_S = 28.0


Pair = tuple[str, str]


def embedded_judge() -> WhisperTranscriber:
    """The recogniser that `voicekit evaluate` asks, on one thread."""
    return WhisperTranscriber(shipped_model("whisper-base"), threads=1)


def wrong(pairs: Iterable[Pair]) -> tuple[float, float]:
    """Rates of words and letters wrong over all (said, heard) together; "15th" and "fifteenth" are the same."""
    import jiwer

    said, heard = ([" ".join(spoken_words(normalise(text))) for text in side] for side in zip(*pairs, strict=True))
    return float(jiwer.wer(said, heard)), float(jiwer.cer(said, heard))


def through(
    clips: Sequence[Speech], way: Callable[[Speech], FloatArray], judge: WhisperTranscriber, *, together: bool = False
) -> list[Pair]:
    """(said, heard) of clips whose WORLD latents come out of `way`.

    With `together` the clips that fit into 28 s are heard as one: a quarter of the time, for choosing.
    """
    pairs, texts, sounds = [], [], []
    for number, clip in enumerate(clips):
        texts.append(clip.row["text"])
        sounds += [synthesise(way(clip)), np.zeros(MODEL_RATE_HZ, np.float32)]
        after = clips[number + 1].tokens / TOKEN_HZ if number + 1 < len(clips) else _WINDOW_S
        if not together or sum(map(len, sounds)) / MODEL_RATE_HZ + after > _WINDOW_S:
            samples = np.concatenate(sounds if together else sounds[:1]).astype(np.float32)
            pairs.append((" ".join(texts), judge.transcribe(Waveform(samples[None], MODEL_RATE_HZ), "en")))
            texts, sounds = [], []
    return pairs


def transcribe(folder: Path, out: Path, judge: WhisperTranscriber) -> None:
    """Lines of JSON (file, text) for every FLAC file of a folder; those already in `out` are skipped."""
    done = {json.loads(line)["file"] for line in out.read_text(encoding="utf-8").splitlines()} if out.exists() else set()
    with out.open("a", encoding="utf-8") as sink:
        for path in sorted(folder.glob("*.flac")):
            if path.name not in done:
                text = judge.transcribe(audio.read(path), "en")
                sink.write(json.dumps({"file": path.name, "text": text}) + "\n")
                sink.flush()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flac", type=Path, required=True, help="recordings to transcribe")
    parser.add_argument("--out", type=Path, required=True, help="file of the transcripts")
    chosen = parser.parse_args()
    transcribe(chosen.flac, chosen.out, embedded_judge())


if __name__ == "__main__":
    main()
