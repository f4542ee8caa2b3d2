"""The closed world of spoken questions: its facts, the ways to ask for them, and which questions training never sees."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from random import Random

from recipes.nano.narratives import narratives as narratives
from recipes.nano.world_kinds import Kind, kinds

SEEN_PATTERNS = 6
UNSEEN_PATTERN = 6
HELDOUT_QUESTIONS = 300
UNSEEN_PATTERN_QUESTIONS = 150
FEWEST_USES = 4  # a question is only held out if each of its words is asked this often elsewhere


@dataclass(frozen=True)
class Fact:
    """One thing the world knows: a row of its kind, and the answer that is said; `weight` samples domains evenly."""

    kind: Kind
    row: tuple[str, ...]
    answer: str
    weight: float = 1.0

    @property
    def domain(self) -> str:
        return self.kind.domain

    @property
    def key(self) -> str:
        """Names the fact."""
        return ": ".join((self.kind.name, *self.row))


@dataclass(frozen=True)
class Question:
    """One way to ask for a fact; phrasing `UNSEEN_PATTERN` is asked of no fact in training."""

    fact: Fact
    phrasing: int
    text: str

    @property
    def unseen_pattern(self) -> bool:
        """Whether training has never met this pattern, for any fact."""
        return self.phrasing == UNSEEN_PATTERN


@cache
def facts() -> tuple[Fact, ...]:
    """Every fact, kind by kind."""
    all_kinds = kinds()
    counts: Counter[str] = Counter()
    for kind in all_kinds:
        counts[kind.domain] += len(kind.rows)
    mean = counts.total() / len(counts)
    return tuple(Fact(kind, row, kind.answer.format(*row), mean / counts[kind.domain]) for kind in all_kinds for row in kind.rows)


@cache
def questions() -> tuple[Question, ...]:
    """Every fact asked in every way, the unseen pattern included."""
    return tuple(
        Question(fact, phrasing, " ".join(pattern.format(*fact.row).split()))
        for fact in facts()
        for phrasing, pattern in enumerate(fact.kind.patterns)
    )


def split(seed: int = 0) -> tuple[tuple[Question, ...], tuple[Question, ...], tuple[Question, ...]]:
    """Training, development and test questions; the test part ends with the questions of the unseen patterns.

    A fact loses one phrasing at most, so that it is trained in five or six; every domain gives the same number of questions.
    """
    random = Random(f"split-{seed}")
    by_domain: dict[str, list[Question]] = defaultdict(list)
    unseen: dict[str, list[Question]] = defaultdict(list)
    for question in questions():
        (unseen if question.unseen_pattern else by_domain)[question.fact.domain].append(question)
    uses = Counter(word for question in questions() if not question.unseen_pattern for word in set(_said(question.text)))
    each = -(-HELDOUT_QUESTIONS // len(by_domain))
    dev, test, new = [], [], []
    for domain, pool in by_domain.items():
        keys = random.sample(sorted({question.fact.key for question in pool}), min(2 * each, len(pool) // SEEN_PATTERNS))
        for place, key in enumerate(keys):
            known = [q for q in pool if q.fact.key == key and min(uses[word] for word in _said(q.text)) >= FEWEST_USES]
            (dev if place % 2 else test).append(random.choice(known))
        new += random.sample(unseen[domain], min(len(unseen[domain]), -(-UNSEEN_PATTERN_QUESTIONS // len(by_domain))))
    heldout = set(dev) | set(test)
    train = tuple(question for question in questions() if not question.unseen_pattern and question not in heldout)
    return train, tuple(dev), (*test, *new)


def vocabulary() -> frozenset[str]:
    """Every word of the questions and answers."""
    texts = [question.text for question in questions()] + [fact.answer for fact in facts()]
    return frozenset(word for text in texts for word in _said(text))


def _said(text: str) -> list[str]:
    return [word.strip(".,?") for word in text.split()]
