"""Questions outside nano's world, of many kinds, for learning to say "I do not know that."

Four kinds: general questions; questions that look as if nano knew the answer, about things that its tables do not hold;
things that they hold in the wrong table ("what is the capital of monday?"); open text that asks for nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from recipes.nano.asking import bare, fill, typed, wordings
from recipes.nano.world import facts
from recipes.nano.world_kinds import Kind, ways
from recipes.nano.world_tables import NUMBERS

# What is answered to all of them, the first most often.
UNKNOWN = (
    "i do not know that.",
    "sorry, i do not know that.",
    "i am afraid i do not know that.",
    "that is something i do not know.",
)
_UNKNOWN_SHARES = (0.55, 0.2, 0.15, 0.1)
_GENERAL, _NEAR, _MISPLACED = 0.5, 0.25, 0.1  # the rest are sums that are too large
# Kinds whose questions are so alike that a thing of one is hardly misplaced in the other.
_ALIKE = (
    frozenset({"after", "before", "season", "month number"}),
    frozenset({"workplace", "home"}),
    frozenset({"capital", "capital of", "continent", "language"}),
)
_FILE = Path(__file__).with_name("outside.toml")
_GAP = re.compile(r"\{(\w+)\}")
_LARGEST = {"addition": (17, 99), "multiplication": (10, 99), "half": (41, 99), "double": (21, 99), "next number": (25, 99)}


@dataclass(frozen=True)
class _Texts:
    general: tuple[str, ...]
    gaps: dict[str, tuple[str, ...]]
    near: dict[str, tuple[str, ...]]


@cache
def _texts() -> _Texts:
    read = tomllib.loads(_FILE.read_text(encoding="utf-8"))

    def table(name: str) -> dict[str, tuple[str, ...]]:
        return {key: tuple(x.strip() for x in said.replace("\n", "").split(";") if x.strip()) for key, said in read[name].items()}

    return _Texts(ways(read["ask"]), table("gaps"), table("near"))


@cache
def _kinds() -> dict[str, Kind]:
    return {fact.kind.name: fact.kind for fact in facts()}


@cache
def _known_things() -> dict[str, dict[str, str]]:
    """What each kind of fact is asked about, by its name without article, of the kinds that have one such thing."""
    return {name: {bare(row[_place(name)]): row[_place(name)] for row in _kinds()[name].rows} for name in _texts().near}


def _place(kind: str) -> int:
    """The field that a question of the kind asks about."""
    return 1 if kind in ("capital of", "maker") else 0


def unknown_answer(random: Random) -> str:
    """One of the few ways to say that one does not know."""
    return random.choices(UNKNOWN, _UNKNOWN_SHARES)[0]


def outside(random: Random, open_text: Sequence[str]) -> str:
    """A question or statement that no fact of the world answers, as people type it."""
    return typed(outside_clean(random, open_text), random)


def outside_clean(random: Random, open_text: Sequence[str]) -> str:
    """The same as it is said: without fillers and slips."""
    kind = random.random()
    if kind < _GENERAL:
        return _general(random, open_text)
    if kind < _GENERAL + _NEAR:
        name = random.choice(sorted(_texts().near))
        return _asked_about(name, random.choice(_texts().near[name]), random)
    if kind < _GENERAL + _NEAR + _MISPLACED:
        return misplaced(random)
    return _too_large(random)


def unknown_follow_up(kind: Kind, random: Random) -> str | None:
    """A short follow-up to a question of this kind, about something that the world does not hold."""
    things = _texts().near.get(kind.name)
    again = [p for p in wordings()[kind.name].again if re.search(rf"\{{[bp]?{_place(kind.name)}\}}", p)]
    if not things or not again:
        return None
    return typed(fill(random.choice(again), _row(kind, random.choice(things))), random)


def misplaced(random: Random) -> str:
    """A thing that the world knows, asked for in a way for which it does not: "what sound does paris make?"."""
    known = _known_things()
    while True:
        name, other = random.sample(sorted(known), 2)
        things = sorted(thing for noun, thing in known[other].items() if noun not in known[name])
        if things and name != "category" and not any({name, other} <= kinds for kinds in _ALIKE):
            return _asked_about(name, random.choice(things), random)


def _asked_about(name: str, thing: str, random: Random) -> str:
    kind, field = _kinds()[name], re.compile(rf"\{{[bp]?{_place(name)}\}}")
    patterns = [pattern for pattern in (*wordings()[name].ask, *kind.trained_patterns) if field.search(pattern)]
    return fill(random.choice(patterns), _row(kind, thing))


def _row(kind: Kind, thing: str) -> tuple[str, ...]:
    """A row of the kind with another thing in it; what else a question needs ("day" or "month") is a real row's."""
    row = list(kind.rows[len(thing) % len(kind.rows)])
    row[_place(kind.name)] = thing
    return tuple(row)


def _general(random: Random, open_text: Sequence[str]) -> str:
    def found(gap: re.Match[str]) -> str:
        return random.choice(open_text) if gap[1] == "open" else random.choice(_texts().gaps[gap[1]])

    return _GAP.sub(found, random.choice(_texts().general))


def _too_large(random: Random) -> str:
    """A sum of the known kind with numbers that nano does not know."""
    name = random.choice(sorted(_LARGEST))
    low, high = _LARGEST[name]
    a, b = random.randint(low, high), random.randint(2, high)
    if name in ("half", "double", "next number"):
        row: tuple[str, ...] = (NUMBERS[a],)
    else:
        row = (NUMBERS[a], NUMBERS[b]) if random.random() < 0.5 else (NUMBERS[b], NUMBERS[a])
    return fill(random.choice(wordings()[name].ask), row)
