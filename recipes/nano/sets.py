"""What is rendered: for each set, which text in which voice, decided by a seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from recipes.nano.narratives import narratives
from recipes.nano.text import clauses
from recipes.nano.voices import HELDOUT, HELDOUT_ESPEAK, KED, NAMED, RMS, RMS_HIGH, Voice, random_train_voice
from recipes.nano.world import facts, split

OPEN_TRAIN_CLIPS = 15_000
NAMED_SHARE = 0.6
ANSWER_VOICES = 10
QUESTION_VOICES = 3
QUESTION_NAMED_SHARE = 0.15  # who asks is nobody the base speaks as
NARRATIVES_TRAIN = 1_500
NARRATIVES_SPEAKER = 110
FEWEST_WORDS = 4
_HELDOUT_LINES = 400
SPLIT_SEED = 0
_HELDOUT_NARRATOR = HELDOUT_ESPEAK[0]


@dataclass(frozen=True)
class Job:
    """One clip to render."""

    id: str
    text: str
    voice: Voice


Lines = list[tuple[str, Voice]]
Maker = Callable[[Sequence[str], Random], Lines]


def jobs(name: str, sentences: Sequence[str], scale: float = 1.0) -> list[Job]:
    """The clips of the set called `name`; a smaller `scale` keeps the first part of them."""
    lines = SETS[name](sentences, Random(f"nano-{name}"))
    kept = lines[: max(1, round(len(lines) * scale))]
    return [Job(f"{name}/{n:05d}", text, voice) for n, (text, voice) in enumerate(kept)]


def _open_text(sentences: Sequence[str], *, heldout: bool) -> list[str]:
    """Pieces of the sentences, shuffled; held-out pieces come from other sentences than training pieces."""
    lines = list(dict.fromkeys(sentences))
    Random("nano-open-text").shuffle(lines)
    count = min(_HELDOUT_LINES, len(lines) // 4)
    train = [piece for line in lines[count:] for piece in clauses(line)]
    wanted = [piece for line in lines[:count] for piece in clauses(line)] if heldout else train
    others = set(train) if heldout else set()
    wanted = [piece for piece in dict.fromkeys(wanted) if len(piece.split()) >= FEWEST_WORDS and piece not in others]
    Random("nano-open-pieces").shuffle(wanted)
    return wanted


def _evenly(voices: Sequence[Voice], count: int, random: Random) -> list[Voice]:
    deck: list[Voice] = []
    while len(deck) < count:
        deck += random.sample(voices, len(voices))
    return deck[:count]


def _open_train(sentences: Sequence[str], random: Random) -> Lines:
    pieces = _open_text(sentences, heldout=False)[:OPEN_TRAIN_CLIPS]
    named = iter(_evenly(NAMED, len(pieces), random))
    return [(piece, next(named) if random.random() < NAMED_SHARE else random_train_voice(random)) for piece in pieces]


def _open_heldout(start: int, count: int, voices: Callable[[Random], Sequence[Voice]]) -> Maker:
    def make(sentences: Sequence[str], random: Random) -> Lines:
        pieces = _open_text(sentences, heldout=True)[start : start + count]
        return list(zip(pieces, _evenly(voices(random), len(pieces), random), strict=True))

    return make


def _train_voice(random: Random, named_share: float = NAMED_SHARE) -> Voice:
    return random.choice(NAMED) if random.random() < named_share else random_train_voice(random)


def _some_train_voices(random: Random) -> list[Voice]:
    return [_train_voice(random) for _ in range(100)]


def _answers_train(_: Sequence[str], random: Random) -> Lines:
    """Every answer in several named voices, never twice in the same one, every voice equally often."""
    answers = list(dict.fromkeys(fact.answer for fact in facts()))
    lines: Lines = []
    for start in range(0, len(answers), len(NAMED)):
        order = random.sample(NAMED, len(NAMED))
        for place, answer in enumerate(answers[start : start + len(NAMED)]):
            turned = order[place:] + order[:place]
            lines += [(answer, voice) for voice in turned[:ANSWER_VOICES]]
    random.shuffle(lines)
    return lines


def _questions_train(_: Sequence[str], random: Random) -> Lines:
    train = split(SPLIT_SEED)[0]
    lines = [(question.text, _train_voice(random, QUESTION_NAMED_SHARE)) for question in train for _ in range(QUESTION_VOICES)]
    random.shuffle(lines)
    return lines


def _questions_test(_: Sequence[str], random: Random) -> Lines:
    dev, test = split(SPLIT_SEED)[1:]
    texts = [question.text for question in (*dev, *test)]
    return list(zip(texts, _evenly(HELDOUT, len(texts), random), strict=True))


def _narratives_train(_: Sequence[str], random: Random) -> Lines:
    texts = _narrative_texts()[NARRATIVES_SPEAKER:]
    return list(zip(texts, _evenly(NAMED, len(texts), random), strict=True))


def _narratives_by(voice: Voice) -> Maker:
    return lambda _, __: [(text, voice) for text in _narrative_texts()[:NARRATIVES_SPEAKER]]


def _narrative_texts() -> tuple[str, ...]:
    return narratives(SPLIT_SEED, NARRATIVES_SPEAKER + NARRATIVES_TRAIN)


SETS: dict[str, Maker] = {
    "open_train": _open_train,
    "open_synth_test": _open_heldout(0, 150, lambda _: HELDOUT_ESPEAK),
    "open_natural_test": _open_heldout(150, 100, lambda _: (RMS,)),
    "open_ked_test": _open_heldout(250, 100, lambda _: (KED,)),
    "open_dev": _open_heldout(350, 100, _some_train_voices),
    "answers_train": _answers_train,
    "questions_test": _questions_test,
    "narr_rms": _narratives_by(RMS),
    "narr_ked": _narratives_by(KED),
    f"narr_{_HELDOUT_NARRATOR.name}": _narratives_by(_HELDOUT_NARRATOR),
    "narr_rms_high": _narratives_by(RMS_HIGH),
    "narr_train": _narratives_train,
    "questions_train": _questions_train,
}
