"""What nano's chat model learns from: dialogues in many voices, spoken questions, reading of open text, masked pseudo-dialogues.

Text and voice vary independently: the same answer comes in many voices, and every voice says much that answers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from recipes.nano.asking import ask, fill, follow, wordings
from recipes.nano.names import name_pieces, random_name
from recipes.nano.natural_sets import SPEAKERS
from recipes.nano.outside import UNKNOWN, outside, unknown_answer, unknown_follow_up
from recipes.nano.shape import CONTROL, NUM_CODES, Places
from recipes.nano.speech_features import load_speech
from recipes.nano.text import normalise
from recipes.nano.tokens import read
from recipes.nano.world import Question, facts, split
from voicekit.covo.text import SPECIAL, TextTokenizer
from voicekit.prompt import READ_REQUEST, PromptFormat
from voicekit.records import IntArray

SPEAKER_NAMES = tuple(SPEAKERS)
TEXT_WEIGHT = 3.0
MADE_UP_SHARE = 0.5
MOST_TOKENS = 420
_CANONICAL, _OUTSIDE, _FREE = 0.2, 0.2, 0.4  # of typed turns; the rest are conversations of two
_READING, _SPOKEN = 0.34, 0.22
_LONGEST_READING = 260
_SILENT = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Lesson:
    """ids int64 [T], weight float32 [T] of predicting ids[t], and the encoder's frames [F, D] of a spoken question if any."""

    ids: IntArray
    weight: np.ndarray
    heard: np.ndarray | None = None


def prompt_format(text: TextTokenizer) -> PromptFormat:
    start, end, end_of_text, begin, pad, stop = (text.special(s) for s in SPECIAL)
    return PromptFormat(CONTROL, len(text), NUM_CODES, start, end, end_of_text, begin, pad, stop)


class Material:
    """Everything the lessons are drawn from; `draw(rng)` gives one lesson.

    Without `codes` (the folder of `recipes.nano.tokens`) there are typed questions and typed answers only, under every
    speaker's name and under made-up ones: what needs no speech yet. With `features` there are spoken questions, too.
    """

    def __init__(self, places: Places, codes: Path | None = None, features: Path | None = None) -> None:
        self.text = TextTokenizer(places.text.parent)
        self.prompt = prompt_format(self.text)
        self.name_pieces = name_pieces(self.text)
        self.open_text = places.text.with_name("open.txt").read_text(encoding="utf-8").splitlines()
        self.fact_weights = [fact.weight for fact in facts()]
        self.questions, _, _ = split()
        weights = np.array([q.fact.weight for q in self.questions])
        self.question_p = weights / weights.sum()
        self.speech = codes is not None
        self.answers = _answers(codes) if codes else {}
        self.reading = _reading(codes) if codes else []
        self.spoken = _spoken(features) if features else []

    def draw(self, rng: np.random.Generator) -> Lesson:
        if not self.speech:
            return self.typed(rng)
        kind = rng.random()
        if kind < _READING:
            return self.read_aloud(rng)
        if self.spoken and kind < _READING + _SPOKEN:
            return self.heard(rng)
        return self.dialogue(rng)

    def typed(self, rng: np.random.Generator) -> Lesson:
        """One or two typed turns and the words of their answers, no speech: the cheapest lesson in what to say."""
        voice = SPEAKER_NAMES[int(rng.integers(len(SPEAKER_NAMES)))]
        if rng.random() < MADE_UP_SHARE:
            voice = random_name(rng, self.name_pieces)
        return self._conversation(voice, [(asked, answer, _SILENT) for asked, answer in self.typed_turns(rng)], 1.0)

    def dialogue(self, rng: np.random.Generator) -> Lesson:
        """One or two typed turns, answered in one voice; everything the assistant says is learned."""
        while True:
            turns = self.typed_turns(rng)
            takes = [self.answers[answer] for _, answer in turns]
            voices = sorted(set.intersection(*({voice for voice, _ in part} for part in takes)))
            if voices:
                voice = voices[int(rng.integers(len(voices)))]
                said = [_one([codes for whose, codes in part if whose == voice], rng) for part in takes]
                return self._conversation(voice, [(q, a, c) for (q, a), c in zip(turns, said, strict=True)], TEXT_WEIGHT)

    def _conversation(self, voice: str, turns: Sequence[tuple[str, str, IntArray]], text_weight: float) -> Lesson:
        builder = Builder(self, voice)
        for number, (asked, answer, codes) in enumerate(turns):
            if number:
                builder.add(self.text.encode("\n"))
            builder.add(self.prompt.user_text(self.text.encode, asked))
            builder.reply(answer, codes, text_weight, 1.0)
        return builder.done()

    def typed_turns(self, rng: np.random.Generator) -> list[tuple[str, str]]:
        """Questions and answers of a typed conversation: as in the splits, in free wording, outside the world, followed up."""
        kind, random = rng.random(), Random(int(rng.integers(2**62)))
        if kind < _CANONICAL:
            question = self.pick(rng)
            return [(question.text, question.fact.answer)]
        if kind < _CANONICAL + _OUTSIDE:
            return [(outside(random, self.open_text), unknown_answer(random))]
        fact = random.choices(facts(), self.fact_weights)[0]
        first = (ask(fact, random), fact.answer)
        if kind < _CANONICAL + _OUTSIDE + _FREE:
            return [first]
        turn = random.random()
        if turn < 0.15 and (asked := unknown_follow_up(fact.kind, random)):
            return [first, (asked, unknown_answer(random))]
        if turn < 0.25:
            return [(outside(random, self.open_text), unknown_answer(random)), first]
        if turn < 0.35:
            other = random.choices(facts(), self.fact_weights)[0]
            return [first, (ask(other, random), other.answer)]
        then = follow(fact, random)
        return [first, (then[0], then[1].answer)] if then else [first]

    def pick(self, rng: np.random.Generator) -> Question:
        return self.questions[int(rng.choice(len(self.questions), p=self.question_p))]

    def heard(self, rng: np.random.Generator) -> Lesson:
        """A spoken question, answered in some voice."""
        frames, answer = self.spoken[int(rng.integers(len(self.spoken)))]
        voice, codes = _one(self.answers[answer], rng)
        builder = Builder(self, voice)
        builder.add(self.prompt.user_audio(self.text.encode, -(-len(frames) // 8)))
        builder.reply(answer, codes, TEXT_WEIGHT, 1.0)
        return builder.done(frames)

    def read_aloud(self, rng: np.random.Generator) -> Lesson:
        """Open text: asked for word for word, or as the masked answer to a question it has nothing to do with."""
        voice, text, codes = self.reading[int(rng.integers(len(self.reading)))]
        asked = rng.random() < 0.4
        request = READ_REQUEST.format(text=text) if asked else self.typed_turns(rng)[0][0]
        builder = Builder(self, voice)
        builder.add(self.prompt.user_text(self.text.encode, request))
        builder.reply(text, codes, 0.3 if asked else 0.0, 1.0)
        return builder.done()


def _one(of: Sequence[Any], rng: np.random.Generator) -> Any:
    return of[int(rng.integers(len(of)))]


def _answers(codes: Path) -> dict[str, list[tuple[str, IntArray]]]:
    """(speaker, codes) of every answer that is spoken."""
    found: dict[str, list[tuple[str, IntArray]]] = {}
    for spoken, row in read(codes / "answers.npz"):
        found.setdefault(row["text"], []).append((row["voice"], spoken))
    return found


def _reading(codes: Path) -> list[tuple[str, str, IntArray]]:
    """(speaker, text, codes) of what nano's own speakers read."""
    names = {pack: name for name, pack in SPEAKERS.items()} | {name: name for name in SPEAKERS}
    rows = [(c, row) for name in ("natural_open", "natural-speech", "words") for c, row in read(codes / f"{name}.npz")]
    return [(names[row["voice"]], row["text"], c) for c, row in rows if row["voice"] in names and len(c) <= _LONGEST_READING]


def _spoken(features: Path) -> list[tuple[np.ndarray, str]]:
    """(encoder frames float16 [T, 512], right answer) of spoken questions; of those outside the world, the usual one."""
    right = {question.text: question.fact.answer for question in split()[0]}
    right |= {normalise(fill(p, fact.row)): fact.answer for fact in facts() for p in wordings()[fact.kind.name].ask}
    return [(clip.frames, right.get(clip.row["text"], UNKNOWN[0])) for clip in load_speech(features / "questions")]


class Builder:
    """ids and weights of one lesson, piece by piece."""

    def __init__(self, material: Material, voice: str) -> None:
        self.m = material
        self.ids: list[int] = material.prompt.system(material.text.encode, voice)
        self.weight = [0.0] * len(self.ids)

    def add(self, ids: list[int], weight: float = 0.0) -> None:
        self.ids += ids
        self.weight += [weight] * len(ids)

    def reply(self, text: str, codes: IntArray, text_weight: float, audio_weight: float) -> None:
        prompt = self.m.prompt
        self.add(prompt.assistant_open(self.m.text.encode))
        for token in prompt.interleave(self.m.text.encode(text), codes.tolist()):
            self.add([token], audio_weight if prompt.is_audio(token) else text_weight)
        self.add([prompt.im_end], audio_weight)

    def done(self, heard: np.ndarray | None = None) -> Lesson:
        return Lesson(np.array(self.ids[:MOST_TOKENS]), np.array(self.weight[:MOST_TOKENS], np.float32), heard)
