"""Kinds of facts of the closed world: the rows of each kind, put together with how it is asked and answered."""

import tomllib
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from recipes.nano import world_tables as tables
from recipes.nano import world_talk as talk
from recipes.nano.world_tables import Rows

_PATTERNS = Path(__file__).with_name("world_patterns.toml")


@dataclass(frozen=True)
class Kind:
    """Facts asked in the same way: `patterns` (the last one is never trained on) and `answer` are filled from `rows`."""

    domain: str
    name: str
    patterns: tuple[str, ...]
    answer: str
    rows: Rows

    @property
    def trained_patterns(self) -> tuple[str, ...]:
        """All but the one that training never sees."""
        return self.patterns[:-1]


def kinds() -> tuple[Kind, ...]:
    """Every kind of fact, with its rows."""
    patterns = tomllib.loads(_PATTERNS.read_text(encoding="utf-8"))
    contents = _arithmetic() | _calendar() | _countries() | _words() | _animals() | _jobs_and_food() | _talk()
    filled = tuple(Kind(of["domain"], name, ways(of["ask"]), of["answer"], contents[name]) for name, of in patterns.items())
    phrases = tuple(Kind("small talk", phrase[0], phrase[:7], phrase[7], ((),)) for phrase in talk.PHRASES)
    return filled + phrases


def ways(ask: str) -> tuple[str, ...]:
    """Wordings separated by bars."""
    return tuple(way.strip() for way in ask.replace("\n", "").split("|") if way.strip())


def _say(*numbers: int) -> tuple[str, ...]:
    return tuple(tables.NUMBERS[number] for number in numbers)


def _arithmetic() -> dict[str, Rows]:
    scales = ((tables.BIGGER, "bigger"), (tables.FASTER, "faster"), (tables.HEAVIER, "heavier"))
    return {
        "addition": tuple(_say(a, b, a + b) for a in range(1, 10) for b in range(1, 10) if a + b <= 17),
        "subtraction": tuple(_say(a, b, a - b) for a in range(4, 16) for b in range(1, 10) if 0 < a - b < 10 and b != a - b),
        "multiplication": tuple(_say(a, b, a * b) for a in range(2, 10) for b in range(2, 10)),
        "next number": tuple(_say(n, n + 1) for n in range(1, 25)),
        "half": tuple(_say(2 * n, n) for n in range(1, 21)),
        "double": tuple(_say(n, 2 * n) for n in range(1, 21)),
        "comparison": tuple((more, less, word) for scale, word in scales for less, more in combinations(scale, 2)),
    }


def _calendar() -> dict[str, Rows]:
    rings = ((tables.DAYS, "day"), (tables.MONTHS, "month"))
    nexts = tuple((ring[n], ring[(n + 1) % len(ring)], word) for ring, word in rings for n in range(len(ring)))
    later = tuple(
        (*_say(hours, hour, (hour + hours - 1) % 12 + 1), "hours" if hours > 1 else "hour")
        for hours in (1, 2)
        for hour in range(1, 13)
    )
    return {
        "after": nexts,
        "before": tuple((late, early, word) for early, late, word in nexts),
        "month number": tuple(zip(tables.ORDINALS, tables.MONTHS, strict=True)),
        "season": tuple(zip(tables.MONTHS, tables.SEASON_OF_MONTH, strict=True)),
        "month length": tuple(zip(tables.MONTHS, tables.DAYS_OF_MONTH, strict=True)),
        "hours after": later,
        "hours before": tuple((hours, end, start, unit) for hours, start, end, unit in later),
    }


def _countries() -> dict[str, Rows]:
    capitals = tuple(row[:2] for row in tables.COUNTRIES)
    return {
        "capital": capitals,
        "capital of": tuple((country, city) for country, city in capitals if country not in city),
        "continent": tuple(row for row in tables.COUNTRIES if row[0] != row[2]),
        "language": tables.COUNTRIES,
    }


def _words() -> dict[str, Rows]:
    return {
        "opposite": tables.OPPOSITES + tuple((second, first) for first, second in tables.OPPOSITES),
        "plural": tables.PLURALS,
        "rhyme": tables.RHYMES,
        "colour": tables.COLOURS,
        "category": tables.KINDS,
    }


def _animals() -> dict[str, Rows]:
    return {
        "sound": tables.SOUNDS,
        "young": tables.YOUNG,
        "home": tables.HOMES,
        "legs": tables.LEGS,
        "can": _who_does(tables.CAN),
        "cannot": _who_does(tables.CANNOT),
    }


def _who_does(table: dict[str, str]) -> Rows:
    return tuple((who.strip(), what) for what, everyone in table.items() for who in everyone.split(";"))


def _jobs_and_food() -> dict[str, Rows]:
    return {
        "units": tables.COUNTS,
        "parts": tables.PARTS,
        "maker": tables.MAKERS,
        "workplace": tables.PLACES,
        "made from": tables.MADE_FROM,
        "food kind": tables.FOOD_KINDS,
    }


def _talk() -> dict[str, Rows]:
    return {
        "sad": talk.SAD_FEELINGS,
        "glad": talk.GLAD_FEELINGS,
        "done": talk.DONE,
        "lost": talk.LOST,
        "ill": talk.ILL,
        "tomorrow": talk.TOMORROW,
        "name": talk.NAMES,
        "journey": talk.JOURNEYS,
    }
