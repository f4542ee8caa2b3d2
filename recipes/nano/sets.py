"""What is rendered: for each set, which text in which voice, decided by a seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from recipes.nano.text import clauses
from recipes.nano.voices import HELDOUT, HELDOUT_ESPEAK, KED, NAMED, RMS, RMS_HIGH, Voice, random_train_voice

OPEN_TRAIN_CLIPS = 15_000
NAMED_SHARE = 0.6
ANSWER_VOICES = 10
QUESTION_VOICES = 2
NARRATIVES_TRAIN = 1_500
NARRATIVES_SPEAKER = 110
FEWEST_WORDS = 4
_HELDOUT_LINES = 400
_SPLIT_SEED = 7


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


def _some_train_voices(random: Random) -> list[Voice]:
    return [random.choice(NAMED) if random.random() < NAMED_SHARE else random_train_voice(random) for _ in range(100)]


SETS: dict[str, Maker] = {
    "open_train": _open_train,
    "open_synth_test": _open_heldout(0, 150, lambda _: HELDOUT_ESPEAK),
    "open_natural_test": _open_heldout(150, 100, lambda _: (RMS,)),
    "open_ked_test": _open_heldout(250, 100, lambda _: (KED,)),
    "open_dev": _open_heldout(350, 100, _some_train_voices),
}
