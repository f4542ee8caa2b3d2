"""How well the embedded base is understood and what it knows: python -m bench.nano --audio DIR --reader FOLDER [--base DIR]

--audio holds the sets of recipes.nano.test_speech: four voices that nobody trained on read sentences and ask questions; --reader
a real reader in LJSpeech's form. Whisper base judges, with no idea of what should be said. Questions are those of nano's test
split, which training never asks so, and those of bench/questions, written by hand by somebody who did not see how training asks
(of free.tsv it was looked at later which kinds failed: see docs/decisions.md).
The result is card.json of the base and a section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch

from bench.heard import Said, ljspeech, measured
from bench.questions import Asked, follow_ups, free_wording, outside
from bench.sections import publish_section
from recipes.nano.outside import UNKNOWN
from recipes.nano.speech_features import rendered
from recipes.nano.test_speech import QUESTIONS_SET, SENTENCES_SET
from recipes.nano.text import normalise
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.covo import load_base
from voicekit.covo.base import Base
from voicekit.evaluate.statistics import mean, share
from voicekit.evaluate.text import same_answer
from voicekit.ports import SpeakingModel
from voicekit.records import Metric, Reply, Turn, Waveform
from voicekit.shipped import shipped_model
from voicekit.timebase import MODEL_RATE_HZ

SPEED_REPLIES = 12
HEARD_PER_SPEAKER = 10
# name: what it says, its aim
ROWS = {
    "right_typed": ("right answers to typed questions of the test split", ">= 0.97"),
    "right_free_wording": ("right answers in free wording, written by hand", ">= 0.88"),
    "right_follow_up": ("right answers to follow-ups, written by hand", ""),
    "outside_refused": ('outside questions, written by hand, answered "I do not know that."', ">= 0.90"),
    "known_refused": ("questions of the test split refused", "<= 0.02"),
    "right_spoken": ("right answers to spoken questions, four unseen natural voices", ">= 0.92"),
    "answers_wer": ("the base's own speakers answering, words misheard", "<= 0.10"),
    "answers_cer": ("the same, letters", "<= 0.05"),
    "unseen_wer": ("four unseen natural voices through tokenizer and decoder, words misheard", "<= 0.12"),
    "unseen_copies_wer": ("their ceiling: copies by the vocoder", ""),
    "unseen_recordings_wer": ("the recordings", ""),
    "reader_wer": ("a real reader through tokenizer and decoder, words misheard", "<= 0.18"),
    "reader_copies_wer": ("her ceiling: copies by the vocoder", ""),
    "reader_recordings_wer": ("her recordings", ""),
    "times_real_time": ("seconds of speech made in a second, one thread", ">= 3"),
    "first_audio_ms": ("wait for the first sound, one thread, ms", "<= 400"),
}


@dataclass(frozen=True, eq=False)
class Spoken:
    """A rendered clip, what is said in it, and by whom."""

    said: Said
    voice: str


def clips_of(folder: Path) -> list[Spoken]:
    """The clips of a rendered set."""
    return [
        Spoken(Said(Waveform(samples[None], MODEL_RATE_HZ), row["text"]), row["voice"])
        for _, shard in rendered(folder)
        for row, samples in shard
    ]


def by_speakers(
    base: Base, asked: Sequence[Asked], answer: Callable[[SpeakingModel, Sequence[Asked]], list[Reply]]
) -> list[Reply]:
    """One reply to each question; the base's speakers take turns."""
    speakers, found = base.info.speakers, dict[int, Reply]()
    for number, speaker in enumerate(speakers):
        part = asked[number :: len(speakers)]
        replies = answer(base.voice(speaker), part)
        found |= {number + place * len(speakers): reply for place, reply in enumerate(replies)}
    return [found[n] for n in range(len(asked))]


def at_once(voice: SpeakingModel, asked: Sequence[Asked]) -> list[Reply]:
    return voice.reply_many([one.question for one in asked])


def one_by_one(voice: SpeakingModel, asked: Sequence[Asked]) -> list[Reply]:
    """With the turns before."""
    return [voice.reply(one.question, [turn for said in one.before for turn in turns(*said)]) for one in asked]


def turns(question: str, answer: str) -> tuple[Turn, Turn]:
    return Turn(role="user", text=question), Turn(role="assistant", text=answer)


def is_right(reply: Reply, asked: Asked) -> bool:
    return any(same_answer(reply.text, right) for right in asked.right)


def is_refused(reply: Reply) -> bool:
    return any(same_answer(reply.text, form) for form in UNKNOWN)


def knowledge(base: Base) -> dict[str, Metric]:
    """Typed questions."""
    test = [Asked(q.text, (q.answer,)) for q in base.material.test]
    known = by_speakers(base, test, at_once)
    free, then = free_wording(), follow_ups()
    return {
        "right_typed": share(list(map(is_right, known, test))),
        "right_free_wording": share(list(map(is_right, by_speakers(base, free, at_once), free))),
        "right_follow_up": share(list(map(is_right, by_speakers(base, then, one_by_one), then))),
        "outside_refused": share(list(map(is_refused, by_speakers(base, outside(), at_once)))),
        "known_refused": share(list(map(is_refused, known))),
    }


def spoken_questions(base: Base, questions: Sequence[Spoken]) -> dict[str, Metric]:
    """Spoken questions of voices that nano never heard."""
    answers = {normalise(q.text): Asked(q.text, (q.answer,)) for q in base.material.test}
    voice = base.voice(base.info.default_speaker)
    return {"right_spoken": share([is_right(voice.reply(q.said.wave), answers[normalise(q.said.text)]) for q in questions])}


def heard(judge: WhisperTranscriber, clips: Sequence[Said], name: str) -> dict[str, Metric]:
    """Words and letters that the judge mishears."""
    score = measured(judge.transcribe, clips)
    return {f"{name}_wer": score.wer, f"{name}_cer": score.cer}


def answers(base: Base, judge: WhisperTranscriber) -> dict[str, Metric]:
    """The base's own speakers, a few answers each."""
    speakers = base.info.speakers
    asked = [Asked(q.text, (q.answer,)) for q in base.material.test][: HEARD_PER_SPEAKER * len(speakers)]
    replies = by_speakers(base, asked, at_once)
    voices = [base.voice(speaker) for speaker in speakers]
    said = [Said(voices[n % len(speakers)].decode(reply.speech), reply.text) for n, reply in enumerate(replies)]
    return heard(judge, said, "answers")


def through(base: Base, clips: Sequence[Spoken]) -> list[Said]:
    """Each clip as tokens and back, in its own speaker's voice."""
    made = []
    for _, group in groupby(sorted(clips, key=lambda clip: clip.voice), key=lambda clip: clip.voice):
        spoken = [(clip.said, base.encode_speech(clip.said.wave)) for clip in group]
        voice = base.voice(base.info.default_speaker, base.extract_prompt([(said.wave, codes) for said, codes in spoken]))
        made += [Said(voice.decode(codes), said.text) for said, codes in spoken]
    return made


def copies(base: Base, judge: WhisperTranscriber, clips: Sequence[Spoken], name: str) -> dict[str, Metric]:
    """Clips through tokenizer and decoder, and the ceilings of that."""
    said = [clip.said for clip in clips]
    return {
        **heard(judge, through(base, clips), name),
        **heard(judge, [Said(base.copy_synthesis(one.wave), one.text) for one in said], f"{name}_copies"),
        **heard(judge, said, f"{name}_recordings"),
    }


def speed(base: Base) -> dict[str, Metric]:
    """Streamed replies on one thread: seconds of speech made in a second, and the wait for the first sound."""
    torch.set_num_threads(1)
    voice = base.voice(base.info.default_speaker)
    questions = base.material.test
    list(voice.stream(questions[0].text))
    rates, waits_ms = [], []
    for question in questions[:SPEED_REPLIES]:
        began, first_s, samples = time.perf_counter(), 0.0, 0
        for delta in voice.stream(question.text):
            first_s = first_s or (time.perf_counter() - began if len(delta.samples) else 0.0)
            samples += len(delta.samples)
        rates.append(samples / MODEL_RATE_HZ / (time.perf_counter() - began))
        waits_ms.append(1000 * first_s)
    return {"times_real_time": mean(rates, 0), "first_audio_ms": mean(waits_ms, 0)}


def table(numbers: dict[str, Metric]) -> str:
    """The rows as Markdown, shares in percent."""
    lines = ["| what | value | 95 % interval | aim | n |", "|---|---|---|---|---|"]
    for name, (what, aim) in ROWS.items():
        if name in numbers:
            m = numbers[name]
            lines.append(f"| {what} | {m.value:.3g} | {m.low:.3g} to {m.high:.3g} | {aim} | {m.n} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("voicekit/assets/nano"))
    parser.add_argument("--audio", type=Path, required=True, help="folder of the sets of recipes.nano.test_speech")
    parser.add_argument("--reader", type=Path, required=True, help="a real reader in LJSpeech's form")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    base, judge = load_base(chosen.base), WhisperTranscriber(shipped_model("whisper-base"))
    reader = [Spoken(said, chosen.reader.name) for said in ljspeech(chosen.reader)]
    found = knowledge(base)
    found |= spoken_questions(base, clips_of(chosen.audio / QUESTIONS_SET))
    found |= answers(base, judge)
    found |= copies(base, judge, clips_of(chosen.audio / SENTENCES_SET), "unseen")
    found |= copies(base, judge, reader, "reader")
    found |= speed(base)
    machine = f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    numbers = {name: [round(m.value, 4), round(m.low, 4), round(m.high, 4), m.n] for name, m in found.items()}
    (chosen.base / "card.json").write_text(json.dumps({"machine": machine, **numbers}, indent=1) + "\n")
    size_mb = sum(file.stat().st_size for file in chosen.base.rglob("*") if file.is_file()) / 1e6
    text = f"## nano\n\n`python -m bench.nano`, {machine}; {size_mb:.0f} MB.\n\n{table(found)}\n"
    publish_section("nano", text, chosen.docs)
    print(text)


if __name__ == "__main__":
    main()
