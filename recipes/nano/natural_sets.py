"""What Kokoro reads for nano: open text, the world's answers by nano's own speakers, spoken questions, single words.

Everything is decided by a seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from recipes.nano.asking import fill, wordings
from recipes.nano.outside import UNKNOWN, outside_clean
from recipes.nano.text import normalise
from recipes.nano.world import facts, questions, split, vocabulary

# nano's own speakers, each one of Kokoro's training voices.
SPEAKERS = {
    "ada": "af_heart", "clara": "af_bella", "nora": "af_sarah", "vera": "af_sky", "olga": "af_aoede", "iris": "af_kore",
    "tessa": "af_jessica", "mira": "af_river", "petra": "af_alloy", "lucy": "bf_emma", "sara": "bf_isabella", "julia": "bf_lily",
    "bruno": "am_adam", "felix": "am_echo", "hugo": "am_eric", "leo": "am_liam", "otto": "am_michael", "emil": "am_onyx",
    "karl": "am_puck", "simon": "bm_daniel", "jonas": "bm_fable", "mark": "bm_george",
}  # fmt: skip
# Nobody trains on these; "v0" packs are earlier takes of the same people.
TEST_VOICES = ("af_nova", "am_fenrir", "bf_alice", "bm_lewis")
TEST_PEOPLE = (*TEST_VOICES, "bm_v0lewis")
TESTS = ("test_voices", "ljspeech-16")  # sets that nothing learns from
ANSWER_VOICES = 2
OUTSIDE_QUESTIONS = 1_200
_SINGLE, _PAIR = 0.5, 0.35  # the rest are mixtures of three, one of them foreign
_SPEEDS = (0.85, 1.2)
_FEWEST_WORDS, _MOST_WORDS = 3, 22
_SPLIT_SEED = 0


@dataclass(frozen=True)
class Line:
    """A clip to render: the text as it is read, the weights of the packs, the speed; `speaker` is nano's name of the voice."""

    text: str
    mixture: tuple[tuple[str, float], ...]
    speed: float
    speaker: str = ""

    @property
    def voice(self) -> str:
        """The speaker, or the mixture as one word: "af_heart" or "af_heart-0.70+am_echo-0.30"."""
        if self.speaker or len(self.mixture) == 1:
            return self.speaker or self.mixture[0][0]
        return "+".join(f"{name}-{weight:.2f}" for name, weight in self.mixture)


Lines = Callable[[Sequence[str], Sequence[str]], list[Line]]


def training_voices(packs: Sequence[str], *, english: bool) -> list[str]:
    """The packs that training may use: those that speak English natively ("a" and "b"), or the foreign ones."""
    return sorted(name for name in packs if name not in TEST_PEOPLE and (name[0] in "ab") == english)


def open_lines(sentences: Sequence[str], packs: Sequence[str], seed: int = 0) -> list[Line]:
    """Every sentence of a fitting length once, in random order, each in a voice of its own."""
    texts = list(dict.fromkeys(normalise(line) for line in sentences))
    texts = [text for text in texts if _FEWEST_WORDS <= len(text.split()) <= _MOST_WORDS]
    random = Random(f"nano-natural-{seed}")
    random.shuffle(texts)
    return _by_anybody(texts, packs, random)


def answers(_: Sequence[str], packs: Sequence[str]) -> list[Line]:
    """Every answer of the world by several of nano's speakers, all equally often; not knowing by all of them."""
    random, names = Random("nano-answers"), list(SPEAKERS)
    lines = [_by(name, text, random) for text in UNKNOWN for name in names]
    said = list(dict.fromkeys(fact.answer for fact in facts()))
    random.shuffle(said)
    for place, text in enumerate(said):
        first = place * ANSWER_VOICES
        lines += [_by(names[(first + n) % len(names)], text, random) for n in range(ANSWER_VOICES)]
    random.shuffle(lines)
    return lines


def spoken_questions(sentences: Sequence[str], packs: Sequence[str]) -> list[Line]:
    """Questions that training may ask: every fact as in the splits and in free wording, and outside the world."""
    random = Random("nano-questions")
    train = {q.fact.key: [] for q in questions()}
    for question in split(_SPLIT_SEED)[0]:
        train[question.fact.key].append(question.text)
    texts = [random.choice(train[fact.key]) for fact in facts()]
    texts += [fill(random.choice(wordings()[fact.kind.name].ask), fact.row) for fact in facts()]
    open_text = [normalise(line) for line in sentences]
    short = [text for text in open_text if 3 <= len(text.split()) <= 12]
    texts += [outside_clean(random, short) for _ in range(OUTSIDE_QUESTIONS)]
    random.shuffle(texts)
    return _by_anybody([normalise(text) for text in texts], packs, random)


def words(_: Sequence[str], packs: Sequence[str]) -> list[Line]:
    """Every word of the world alone, by one of nano's speakers."""
    random, names = Random("nano-words"), list(SPEAKERS)
    return [_by(random.choice(names), f"{word}.", random) for word in sorted(vocabulary()) if len(word) > 1]


SETS: dict[str, Lines] = {"natural_open": open_lines, "answers": answers, "questions": spoken_questions, "words": words}


def _by(name: str, text: str, random: Random) -> Line:
    return Line(text, ((SPEAKERS[name], 1.0),), _speed(random, (0.92, 1.1)), name)


def _by_anybody(texts: Sequence[str], packs: Sequence[str], random: Random) -> list[Line]:
    """Each text in a voice of its own."""
    native, foreign = training_voices(packs, english=True), training_voices(packs, english=False)
    return [Line(text, _mixture(native, foreign, random), _speed(random, _SPEEDS)) for text in texts]


def _mixture(native: Sequence[str], foreign: Sequence[str], random: Random) -> tuple[tuple[str, float], ...]:
    kind = random.random()
    if kind < _SINGLE:
        return ((random.choice(native), 1.0),)
    if kind < _SINGLE + _PAIR:
        names = random.sample(native, 2)
        share = round(random.uniform(0.25, 0.75), 2)
        return tuple(zip(names, (share, round(1 - share, 2)), strict=True))
    names = [*random.sample(native, 2), random.choice(foreign)]
    share = round(random.uniform(0.1, 0.3), 2)  # enough for another timbre, too little for an accent that hides words
    first = round((1 - share) * random.uniform(0.3, 0.7), 2)
    return tuple(zip(names, (first, round(1 - share - first, 2), share), strict=True))


def _speed(random: Random, range_: tuple[float, float]) -> float:
    low, high = map(math.log, range_)
    return round(math.exp(random.uniform(low, high)), 2)
