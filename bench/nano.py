"""Measure the embedded base model on everything it never heard: held-out questions, phrasings and whole voices.

python -m bench.nano --audio DIR [--base DIR] [--scripted DIR] [--out FILE] [--quick]

--audio holds the held-out sets rendered by recipes.nano.render; --scripted a real reader in LJSpeech form. Writes every
number to a JSON file (card.json of the base by default) and prints them as a table.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from recipes.nano.text import normalise
from voicekit.audio import read
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.covo import load_base
from voicekit.covo.base import Base
from voicekit.evaluate import same_answer, word_errors
from voicekit.evaluate.statistics import mean, rate, share
from voicekit.evaluate.text import character_error_rate
from voicekit.records import Metric, Question, Waveform
from voicekit.shipped import shipped_model

Clip = tuple[Waveform, dict]
TOKENIZER_SETS = {
    "tokenizer_cer_synthetic": "open_synth_test",
    "tokenizer_cer_natural": "open_natural_test",
    "tokenizer_cer_diphone": "open_ked_test",
}
SPEED_REPLIES = 12


def rendered(folder: Path, most: int) -> list[Clip]:
    """The first clips of a rendered set."""
    clips: list[Clip] = []
    for index in sorted(folder.glob("index_*.jsonl")):
        audio = np.memmap(index.with_name(index.name.replace("index_", "audio_").replace(".jsonl", ".i16")), np.int16, "r")
        for line in index.read_text().splitlines():
            row = json.loads(line)
            samples = audio[row["start"] : row["start"] + row["num_samples"]].astype(np.float32) / np.float32(32768)
            clips.append((Waveform(samples[None], 24_000), row))
    return clips[:most]


def scripted(folder: Path) -> list[Clip]:
    rows = [line.split("|") for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()]
    return [(read(next(folder.rglob(f"{row[0]}.wav"))), {"text": normalise(row[-1])}) for row in rows]


def tokenizer_cer(base: Base, clips: Sequence[Clip]) -> Metric:
    """Letters read back from the tokens of recordings, against their script."""
    rates = [character_error_rate(row["text"], base.read_speech(base.encode_speech(wave))) for wave, row in clips]
    letters = [len(row["text"]) for _, row in clips]
    return rate([r * n for r, n in zip(rates, letters, strict=True)], letters, 0)


def dialogue(
    base: Base, questions: Sequence[Question], speakers: Sequence[str]
) -> tuple[dict[str, Metric], list[tuple[str, Waveform]]]:
    """Typed questions, spread over the base's speakers: right answers, speech tokens against the reply's own text."""
    hits, errors, letters, heard = [], [], [], []
    for number, speaker in enumerate(speakers):
        part = questions[number :: len(speakers)]
        voice = base.voice(speaker)
        for question, reply in zip(part, voice.reply_many([q.text for q in part]), strict=True):
            hits.append(same_answer(reply.text, question.answer))
            letters.append(len(reply.text))
            errors.append(len(reply.text) * character_error_rate(reply.text, base.read_speech(reply.speech)))
            heard.append((reply.text, voice.decode(reply.speech)))
    return {"text_exact_match": share(hits), "speech_cer": rate(errors, letters, 0)}, heard


def spoken(base: Base, clips: Sequence[Clip], answers: dict[str, str]) -> dict[str, Metric]:
    """Spoken questions of voices nano never heard."""
    voice = base.voice(base.info.default_speaker)
    hits = [(same_answer(voice.reply(wave).text, answers[row["text"]]), row["base"]) for wave, row in clips]
    natural = [hit for hit, whose in hits if not whose.startswith("espeak")]
    return {"spoken_exact_match": share([hit for hit, _ in hits]), "spoken_exact_match_natural": share(natural)}


def ears(base: Base, args: argparse.Namespace) -> dict[str, Metric]:
    answers = {q.text: q.answer for q in base.material.test}
    clips = [c for c in rendered(args.audio / "questions_test", 100_000) if c[1]["text"] in answers]
    return spoken(base, clips[: 120 if args.quick else 100_000], answers)


def judged(judge: WhisperTranscriber, pairs: Sequence[tuple[str, Waveform]]) -> Metric:
    counted = [word_errors(text, judge.transcribe(wave, "en")) for text, wave in pairs]
    return rate([errors for errors, _ in counted], [words for _, words in counted], 0)


def speed(base: Base, questions: Sequence[Question]) -> dict[str, Metric]:
    """Streamed replies on one thread: seconds of speech made in a second, and the wait for the first sound."""
    torch.set_num_threads(1)
    voice = base.voice(base.info.default_speaker)
    list(voice.stream(questions[0].text))
    rates, waits = [], []
    for question in questions[:SPEED_REPLIES]:
        began, first, samples = time.perf_counter(), 0.0, 0
        for delta in voice.stream(question.text):
            first = first or (time.perf_counter() - began if len(delta.samples) else 0.0)
            samples += len(delta.samples)
        rates.append(samples / 24_000 / (time.perf_counter() - began))
        waits.append(1000 * first)
    return {"times_real_time": mean(rates, 0), "first_audio_ms": mean(waits, 0)}


def measure(args: argparse.Namespace) -> dict[str, Metric]:
    base = load_base(args.base)
    few = 40 if args.quick else 100_000
    test = base.material.test[: few * 3]
    results = {name: tokenizer_cer(base, rendered(args.audio / folder, few)) for name, folder in TOKENIZER_SETS.items()}
    if args.scripted:
        results["tokenizer_cer_real_reader"] = tokenizer_cer(base, scripted(args.scripted))
    numbers, heard = dialogue(base, test, base.info.speakers)
    results |= numbers
    results |= ears(base, args)
    judge = WhisperTranscriber(shipped_model("whisper-base"))
    results["wer"] = judged(judge, heard[:: max(1, len(heard) // 200)])
    named = [c for c in rendered(args.audio / "answers_train", 100_000)][:: 1 if args.quick else 60][:200]
    results["wer_recordings"] = judged(judge, [(row["text"], wave) for wave, row in named])
    results["wer_copy_synthesis"] = judged(judge, [(row["text"], base.copy_synthesis(wave)) for wave, row in named])
    return results | speed(base, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=Path("voicekit/assets/nano"))
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--scripted", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of the clips")
    parser.add_argument("--ears", action="store_true", help="only how it hears; the card's other numbers stay")
    args = parser.parse_args()
    results = ears(load_base(args.base), args) if args.ears else measure(args)
    out = args.out or args.base / "card.json"
    known = json.loads(out.read_text()) if args.ears and out.exists() else {}
    machine = f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    numbers = {k: [round(m.value, 4), round(m.low, 4), round(m.high, 4), m.n] for k, m in results.items()}
    out.write_text(json.dumps({"machine": machine, **known, **numbers}, indent=1) + "\n")
    for name, m in results.items():
        print(f"| {name} | {m.value:.3f} | {m.low:.3f}-{m.high:.3f} | {m.n} |")


if __name__ == "__main__":
    main()
