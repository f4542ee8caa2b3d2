"""Token sequences to decode: what the base's own dialogues hold, and what its chat model says when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicekit.errors import BaseModelError, UsageError
from voicekit.files import beside
from voicekit.ports import OnProgress, Progress
from voicekit.records import IntArray

if TYPE_CHECKING:
    from voicekit.covo.base import Base

ASKED_TOGETHER = 24
SHORTEST = 4
# Asked where a base brings no questions of its own.
PROMPTS = (
    "Tell me about a place that you would like to see.", "What do you need to bake a cake?", "How does rain come about?",
    "Explain in two sentences what a bank does.", "I had a bad day. What should I do?", "Tell me a short story about a fox.",
    "Count from one to twenty.", "Which animals live in the sea?", "Give me three reasons to learn a language.",
    "What is the difference between a lake and a river?", "How do I ask somebody for a favour?", "Describe your kitchen.",
    "讲一个关于一只猫的小故事。", "怎样才能睡得更好？", "请介绍一下你喜欢的城市。", "从一数到二十。", "为什么天空是蓝色的？",
    "给我三个早起的理由。", "一个好的朋友应该是什么样的？", "怎么做西红柿炒鸡蛋？",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spoken:
    """Speech tokens int64 [N], what they say ("" if nobody knows), and under whose name the base said it."""

    codes: IntArray
    text: str
    speaker: str


def gathered(base: Base, texts: Sequence[str], replies: int, seed: int, file: Path, report: OnProgress) -> list[Spoken]:
    """The base's rehearsal dialogues, `replies` answers of its chat model and a reading of each text; kept in `file`.

    BaseModelError if the base has neither dialogues nor a text tokenizer to be asked with.
    """
    if file.is_file():
        return read(file)
    found = [
        Spoken(np.array(turn.speech, np.int64), turn.text, speaker)
        for speaker, turns in base.material.rehearsal
        for turn in turns
        if turn.speech
    ]
    found += _asked(base, texts, replies, seed, report)
    found = [spoken for spoken in found if len(spoken.codes) >= SHORTEST]
    if not found:
        raise BaseModelError(
            "This base has no speech tokens to decode: it brings no dialogues, and its chat model said nothing.",
            "Give --replies a number, or put a rehearsal.jsonl.gz into the base.",
        )
    _write(file, found)
    return found


def _asked(base: Base, texts: Sequence[str], replies: int, seed: int, report: OnProgress) -> list[Spoken]:
    rng = np.random.default_rng(seed)
    questions = [q.text for q in base.material.train] or list(PROMPTS)
    wanted = [questions[int(i)] for i in rng.permutation(len(questions))[:replies]]
    while len(wanted) < replies:
        wanted += wanted[: replies - len(wanted)]
    names = base.info.speakers
    found: list[Spoken] = []
    for turn, start in enumerate(range(0, len(wanted), ASKED_TOGETHER)):
        name = names[turn % len(names)]
        some = base.voice(name).reply_many(wanted[start : start + ASKED_TOGETHER], seed + turn)
        found += [Spoken(reply.speech, reply.text, name) for reply in some]
        report(Progress("pairs", 0.0, f"asking the chat model, {len(found)} of {len(wanted) + len(texts)}"))
    for number, text in enumerate(texts):
        name = names[number % len(names)]
        found.append(Spoken(base.voice(name).speak(text, seed), text, name))
        report(Progress("pairs", 0.0, f"asking the chat model, {len(found)} of {len(wanted) + len(texts)}"))
    return found


def texts_of(file: Path | None) -> list[str]:
    """The lines of a text file that hold something."""
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The texts in {file} cannot be read: {error}.", "Give a UTF-8 file with a sentence a line.") from None


def parted(spoken: Sequence[Spoken], seed: int) -> tuple[list[Spoken], list[Spoken]]:
    """(for training, held out): every twelfth at random is held out, at least one; equal token sequences stay together."""
    order = np.random.default_rng(seed).permutation(len(spoken))
    held = max(1, len(spoken) // 12)
    out = [spoken[int(i)] for i in order[:held]]
    known = {s.codes.tobytes() for s in out}
    return [spoken[int(i)] for i in order[held:] if spoken[int(i)].codes.tobytes() not in known] or out, out


def read(file: Path) -> list[Spoken]:
    with np.load(file, allow_pickle=False) as stored:
        parts = np.split(stored["codes"].astype(np.int64), np.cumsum(stored["lengths"])[:-1])
        rows = zip(parts, stored["texts"], stored["speakers"], strict=True)
        return [Spoken(codes, str(text), str(speaker)) for codes, text, speaker in rows]


def _write(file: Path, found: Sequence[Spoken]) -> None:
    with beside(file) as tmp, tmp.open("wb") as sink:
        np.savez(
            sink,
            codes=np.concatenate([s.codes for s in found]).astype(np.int32),
            lengths=np.array([len(s.codes) for s in found]),
            texts=np.array([s.text for s in found]),
            speakers=np.array([s.speaker for s in found]),
        )
