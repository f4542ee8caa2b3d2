"""How well the embedded recogniser writes down what is said: python -m bench.transcribe LJSPEECH [--float16 FOLDER]

LJSPEECH is a folder in LJSpeech's form. Beside its clips: the natural clips in five languages that come with the tests, and
sounds in which nobody speaks, of which no word may be written. pocketsphinx with its bundled models stands beside it in the same
run; --float16 adds the weights that the int8 ones were made from, --model any other Whisper. Speed is of one thread's processor
time. The result is a section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.heard import RATE_HZ, Said, Score, languages, ljspeech, measured, percent, without_speech
from bench.sections import publish_section
from voicekit import audio
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.records import Waveform
from voicekit.shipped import shipped_model

Hear = Callable[[Waveform, str], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ljspeech", type=Path, help="a folder in LJSpeech's form")
    parser.add_argument("--float16", type=Path, help="folder of the same Whisper in float16 (recipes.embedded.whisper --float16)")
    parser.add_argument("--model", type=Path, action="append", default=[], help="folder of another Whisper; may be repeated")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    options = parser.parse_args()
    folders = {"Whisper base, int8 (embedded)": shipped_model("whisper-base")}
    folders |= {"the same, float16": options.float16} if options.float16 else {}
    folders |= {folder.name: folder for folder in options.model}
    sets = {"LJ Speech's reader": ljspeech(options.ljspeech), **languages()}
    rows: list[str] = []
    for name, folder in folders.items():
        rows += _rows(name, _whisper(folder), sets)
    rows += _rows("pocketsphinx 5, en-us", _pocketsphinx(), {"LJ Speech's reader": sets["LJ Speech's reader"]})
    text = "\n".join([_HEAD, *rows, ""])
    print(text)
    publish_section("transcribe", text, options.docs)


_HEAD = """## What is said, written down

`python -m bench.transcribe`: words and characters wrong in percent with 95 % intervals; in Chinese and Japanese a word is a
character. `utterance`: clips are heard alone, as the judge does; `recording`: speech is found and words get their times, as at
the intake. Speed: seconds of sound per second of one processor.

| recogniser | speech | WER, utterance | CER, utterance | speed | WER, recording | CER, recording | speed |
|---|---|---|---|---|---|---|---|"""


def _rows(name: str, hears: tuple[Hear, Hear], sets: dict[str, list[Said]]) -> list[str]:
    made: list[str] = []
    for kind, clips in sets.items():
        cells = [_cells(measured(hear, clips)) for hear in hears]
        made.append(f"| {name} | {kind} ({len(clips)} clips) | {' | '.join(cells)} |")
        print(made[-1], flush=True)
    invented = {kind: " ".join(hear(wave, "en") for hear in hears).split() for kind, wave in without_speech().items()}
    told = ", ".join(f"{kind} {len(words)}" for kind, words in invented.items())
    made.append(f"| {name} | words written where nobody speaks (20 s each) | {told} | | | | | |")
    print(made[-1], flush=True)
    return made


def _cells(score: Score) -> str:
    return f"{percent(score.wer)} | {percent(score.cer)} | {score.real_time:.1f}"


def _whisper(folder: Path) -> tuple[Hear, Hear]:
    opened = WhisperTranscriber(folder, threads=1)
    return opened.transcribe, lambda wave, language: opened.hear(wave, language).text


def _pocketsphinx() -> tuple[Hear, Hear]:
    """With the acoustic and the language model that it bundles."""
    import pocketsphinx

    decoder: Any = pocketsphinx.Decoder(cmn="batch", loglevel="FATAL", samprate=RATE_HZ)

    def hear(wave: Waveform, _: str) -> str:
        samples = audio.resample(Waveform(wave.mono()[None], wave.sample_rate_hz), RATE_HZ).samples[0]
        decoder.reinit_feat()  # its noise estimate remembers what it heard before
        decoder.start_utt()
        decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else ""

    return hear, hear


if __name__ == "__main__":
    main()
