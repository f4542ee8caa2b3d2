"""What nano's chat model learns from: dialogues in many voices, spoken questions, reading of open text, masked pseudo-dialogues.

Text and voice vary independently: the same answer comes in many voices, and every voice says much that answers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from recipes.nano.asking import ask, follow
from recipes.nano.hearing import load_features
from recipes.nano.names import name_pieces, random_name
from recipes.nano.outside import outside, unknown_answer, unknown_follow_up
from recipes.nano.shape import CONTROL, NUM_CODES, Places
from recipes.nano.tokens import read
from recipes.nano.voices import NAMED
from recipes.nano.world import Question, facts, split
from voicekit.covo.text import SPECIAL, TextTokenizer
from voicekit.prompt import READ_REQUEST, PromptFormat
from voicekit.records import IntArray

TEXT_WEIGHT = 3.0
MADE_UP_SHARE = 0.5
_CANONICAL, _OUTSIDE, _FREE = 0.2, 0.2, 0.4  # of typed lessons; the rest are conversations of two turns
MOST_TOKENS = 420


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

    Without `speech` there are typed questions and typed answers only, under every named voice and under made-up names: what needs
    no tokenizer yet.
    """

    def __init__(self, places: Places, speech: bool = True, spoken: bool = False) -> None:
        self.text = TextTokenizer(places.text.parent)
        self.prompt = prompt_format(self.text)
        self.name_pieces = name_pieces(self.text)
        self.open_text = places.text.with_name("open.txt").read_text(encoding="utf-8").splitlines()
        self.fact_weights = [fact.weight for fact in facts()]
        answers: dict[str, list[tuple[str, IntArray]]] = {}
        for codes, row in read(places.codes / "answers_train.npz") if speech else ():
            answers.setdefault(row["text"], []).append((row["voice"], codes))
        train, _, _ = split()
        self.speech = speech
        self.answers = answers
        self.questions = [q for q in train if q.fact.answer in answers or not speech]
        weights = np.array([q.fact.weight for q in self.questions])
        self.question_p = weights / weights.sum()
        sets = ("open_train", "narr_train") if speech else ()
        named = [(c, r) for name in sets for c, r in read(places.codes / f"{name}.npz") if r["named"]]
        self.reading = [(r["voice"], r["text"], c) for c, r in named if 20 <= len(c) <= 260]
        self.frames: dict[str, list[np.ndarray]] = {}
        for frames, text in load_features(places) if spoken else ():
            self.frames.setdefault(text, []).append(frames)
        self.spoken = [q for q in self.questions if q.text in self.frames]

    def draw(self, rng: np.random.Generator) -> Lesson:
        if not self.speech:
            return self.typed(rng)
        kind = rng.random()
        if kind < 0.34:
            return self.read_aloud(rng)
        if kind < 0.42:
            return self.dialogue(rng, turns=2)
        if self.spoken and kind < 0.64:
            return self.heard(rng)
        return self.dialogue(rng, turns=1)

    def typed(self, rng: np.random.Generator) -> Lesson:
        """One or two typed turns and the words of their answers, no speech: the cheapest lesson in what to say."""
        voice = NAMED[int(rng.integers(len(NAMED)))].name
        if rng.random() < MADE_UP_SHARE:
            voice = random_name(rng, self.name_pieces)
        builder = Builder(self, voice)
        for number, (asked, answer) in enumerate(self.typed_turns(rng)):
            if number:
                builder.add(self.text.encode("\n"))
            builder.add(self.prompt.user_text(self.text.encode, asked))
            builder.reply(answer, np.zeros(0, np.int64), 1.0, 1.0)
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

    def answer(self, rng: np.random.Generator, question: Question, voice: str = "") -> tuple[str, IntArray] | None:
        options = [o for o in self.answers[question.fact.answer] if voice in ("", o[0])]
        return options[int(rng.integers(len(options)))] if options else None

    def dialogue(self, rng: np.random.Generator, turns: int) -> Lesson:
        """One or two typed questions, answered in one voice; everything the assistant says is learned."""
        first = self.pick(rng)
        voice, codes = self.answer(rng, first) or ("", np.zeros(0, np.int64))
        said = [(first, codes)]
        for _ in range(60 if turns > 1 else 0):
            other = self.pick(rng)
            more = self.answer(rng, other, voice)
            if more:
                said.append((other, more[1]))
                break
        builder = Builder(self, voice)
        for number, (question, speech) in enumerate(said):
            if number:
                builder.add(self.text.encode("\n"))
            builder.add(self.prompt.user_text(self.text.encode, question.text))
            builder.reply(question.fact.answer, speech, TEXT_WEIGHT, 1.0)
        return builder.done()

    def heard(self, rng: np.random.Generator) -> Lesson:
        """A spoken question, answered in some voice."""
        question = self.spoken[int(rng.integers(len(self.spoken)))]
        takes = self.frames[question.text]
        frames = takes[int(rng.integers(len(takes)))]
        voice, codes = self.answer(rng, question) or ("", np.zeros(0, np.int64))
        builder = Builder(self, voice)
        builder.add(self.prompt.user_audio(self.text.encode, -(-len(frames) // 8)))
        builder.reply(question.fact.answer, codes, TEXT_WEIGHT, 1.0)
        return builder.done(frames)

    def read_aloud(self, rng: np.random.Generator) -> Lesson:
        """Open text: asked for word for word, or as the masked answer to a question it has nothing to do with."""
        voice, text, codes = self.reading[int(rng.integers(len(self.reading)))]
        asked = rng.random() < 0.4
        request = READ_REQUEST.format(text=text) if asked else self.pick(rng).text
        builder = Builder(self, voice)
        builder.add(self.prompt.user_text(self.text.encode, request))
        builder.reply(text, codes, 0.3 if asked else 0.0, 1.0)
        return builder.done()


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
