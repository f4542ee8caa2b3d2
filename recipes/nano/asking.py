"""How people ask: a fact in free wording, with fillers, digits, both spellings and typing slips; and follow-ups to a question.

The patterns stand in world_wordings.toml. All is for training: what is held out (`world.split`) keeps to world_patterns.toml,
and questions in free wording that nobody trains on are written by hand (bench/questions).
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from recipes.nano.world import Fact, facts
from recipes.nano.world_kinds import ways
from recipes.nano.world_tables import NUMBERS, PLURALS

_WORDINGS = Path(__file__).with_name("world_wordings.toml")
_TALK = frozenset({"small talk", "feelings", "wishes"})  # said to nano rather than asked of it
_FRAMED, _DIGITS, _SHORT, _AMERICAN, _BARE_END = 0.35, 0.4, 0.5, 0.4, 0.4
_SLIPS = (0.82, 0.14, 0.04)  # none, one, two
_SHORTEST_SLIP = 4

_BEFORE = ways("""
um|uh|er|hmm|so|well|hey|hi|hello|ok|okay|now|right|listen|say|please|and|oh|excuse me|quick question|just curious|tell me|
i was wondering|i wonder|one more thing|can i ask you something|hey nano|hi nano|hello there|nano|sorry|my son wants to know|
my daughter asks|my teacher asked|for my homework|for school|a question|i have a question|here is a question|next question|
another question|let me ask you this|good morning|my friend|dear computer|if you know|do you happen to know|i forgot|
help me out here|we have a bet|silly question|maybe you know|could you tell me|please tell me|i would like to know|
i'd like to know|i want to know|can you tell me|do you know|you know what|let me think""")
_AFTER = ways("""
please|thanks|thank you|do you know|i forgot|by the way|right now|for me|my friend|any idea|do you remember|again|then|exactly|
can you tell me|if you know|i wonder|just asking|do you happen to know|for my homework|really|actually|in your opinion|anyone|
tell me|i need to know|as far as you know|i can't remember|i can never remember that|what do you think|quickly""")
_BEFORE_TALK = ways("""
um|well|you know|so|oh|hey|hi|hello|okay|to be honest|honestly|guess what|listen|my friend|just so you know|i have to say|
i wanted to tell you|nano|hey nano|you see|by the way|believe it or not|i must tell you|right""")
_AFTER_TALK = ways("you know|my friend|today|i think|right now|actually|really|to be honest|nano|at the moment|believe me|again")

_SHORT_FORMS = {
    "what is": "what's", "who is": "who's", "where is": "where's", "how is": "how's", "it is": "it's", "that is": "that's",
    "i am": "i'm", "you are": "you're", "do not": "don't", "does not": "doesn't", "cannot": "can't", "i have": "i've",
    "i will": "i'll", "what are": "what're", "i would": "i'd", "is not": "isn't", "let us": "let's",
}  # fmt: skip
_AMERICAN_FORMS = {"colour": "color", "grey": "gray", "autumn": "fall", "favourite": "favorite", "travelling": "traveling"}
_NEAR = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "qs vgn xvd sfx wrd dgc fhv gjb uok hkn jli ko njk bmh ipl ol wa etf adx ryg yij cbg qes zcs tuh xas".split(),
        strict=True,
    )
)
_NUMBER_OF = {word: str(n) for n, word in reversed(list(enumerate(NUMBERS)))}
_NUMBER_WORDS = re.compile(r"\b(" + "|".join(sorted(_NUMBER_OF, key=len, reverse=True)) + r")\b")
_SIGNS = {" plus ": " + ", " minus ": " - ", " times ": " x "}
_IRREGULAR = dict((one, many) for one, many in PLURALS)


@dataclass(frozen=True)
class Wording:
    """How a kind of fact is asked in training; facts of one `group` follow one another."""

    group: str
    ask: tuple[str, ...]
    again: tuple[str, ...]
    keeps: tuple[int, ...]
    it: tuple[str, ...]


@cache
def wordings() -> dict[str, Wording]:
    """Of every kind of fact, by its name."""
    read = tomllib.loads(_WORDINGS.read_text(encoding="utf-8"))
    return {
        name: Wording(
            of.get("group", name), ways(of["ask"]), ways(of.get("again", "")), tuple(of.get("keeps", ())), ways(of.get("it", ""))
        )
        for name, of in read.items()
    }


def fill(pattern: str, row: tuple[str, ...]) -> str:
    """A pattern with a row's fields: {0} as it stands, {b0} without its article, {p0} in the plural."""
    nouns = [bare(field) for field in row]
    fields = {f"b{n}": noun for n, noun in enumerate(nouns)} | {f"p{n}": plural(noun) for n, noun in enumerate(nouns)}
    return " ".join(pattern.format(*row, **fields).split())


def bare(thing: str) -> str:
    """A thing without its article."""
    return re.sub(r"^(a|an|the) ", "", thing)


def plural(noun: str) -> str:
    """Of a noun without article; the irregular ones are those that the world knows."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("s", "sh", "ch", "x")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith("man"):
        return noun[:-3] + "men"
    return noun + "s"


def ask(fact: Fact, random: Random) -> str:
    """The fact in free wording, as somebody types it."""
    known = wordings()[fact.kind.name]
    pattern = random.choice(known.ask if random.random() < 0.75 else fact.kind.trained_patterns)
    return typed(fill(pattern, fact.row), random, talk=fact.domain in _TALK)


def typed(text: str, random: Random, *, talk: bool = False) -> str:
    """A clean question as people type it: fillers, digits, short forms, American spelling, slips, the end left open."""
    if random.random() < _FRAMED:
        text = _framed(text, random, talk)
    if random.random() < _DIGITS:
        text = with_digits(text, random)
    if random.random() < _SHORT:
        text = _replaced(text, _SHORT_FORMS)
    if random.random() < _AMERICAN:
        text = _replaced(text, _AMERICAN_FORMS)
    for _ in range(random.choices((0, 1, 2), _SLIPS)[0]):
        text = slip(text, random)
    return text.rstrip(".?! ") if random.random() < _BARE_END else text


def _framed(text: str, random: Random, talk: bool) -> str:
    before, after = (_BEFORE_TALK, _AFTER_TALK) if talk else (_BEFORE, _AFTER)
    if random.random() < 0.65:
        text = f"{random.choice(before)}{random.choice((', ', ' ', ', ', ': ' if not talk else ', '))}{text}"
    if random.random() < 0.5:
        end = text[-1] if text[-1] in ".?!" else ""
        text = f"{text.rstrip('.?!')}{random.choice((', ', ' '))}{random.choice(after)}{end}"
    return text


def with_digits(text: str, random: Random) -> str:
    """Number words as digits, and at times the words of sums as signs."""
    said = _NUMBER_WORDS.sub(lambda found: _NUMBER_OF[found[0]], text)
    if said != text and random.random() < 0.6:
        for word, sign in _SIGNS.items():
            said = said.replace(word, sign if random.random() < 0.6 else sign.strip())
    return said


def slip(text: str, random: Random) -> str:
    """One typing slip in one of the longer words: two letters swapped, one dropped, doubled or hit beside."""
    words = text.split(" ")
    long_ones = [n for n, word in enumerate(words) if len(word) >= _SHORTEST_SLIP and word.isalpha()]
    if not long_ones:
        return text
    chosen = random.choice(long_ones)
    word = words[chosen]
    at = random.randrange(1, len(word) - 1)
    words[chosen] = random.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + random.choice(_NEAR[word[at]]) + word[at + 1 :],
        )
    )
    return " ".join(words)


def _replaced(text: str, forms: dict[str, str]) -> str:
    for written, instead in forms.items():
        text = re.sub(rf"\b{written}\b", instead, text)
    return text


@cache
def _groups() -> dict[tuple, tuple[Fact, ...]]:
    """Facts that may follow one another by a short question: same group, and the same in the fields that are kept."""
    found: dict[tuple, list[Fact]] = defaultdict(list)
    for fact in facts():
        found[_group(fact)].append(fact)
    return {key: tuple(members) for key, members in found.items()}


def _group(fact: Fact) -> tuple:
    known = wordings()[fact.kind.name]
    return (known.group, *(fact.row[n] for n in known.keeps))


@cache
def _about() -> dict[str, tuple[Fact, ...]]:
    """Facts by the thing they are about, of the kinds that can be asked about "it"."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts():
        if wordings()[fact.kind.name].it and fact.row:
            found[fact.row[0]].append(fact)
    return {thing: tuple(members) for thing, members in found.items()}


def follow(first: Fact, random: Random) -> tuple[str, Fact] | None:
    """A short follow-up as people type it, and the fact it asks for; None where nothing follows."""
    same = [fact for fact in _groups()[_group(first)] if fact != first] if wordings()[first.kind.name].again else []
    other = [f for f in _about().get(first.row[0], ()) if f.kind.name != first.kind.name] if first.row else []
    if not same and not other:
        return None
    about_it = bool(other) and (not same or random.random() < 0.35)
    then = random.choice(other if about_it else same)
    known = wordings()[then.kind.name]
    return typed(fill(random.choice(known.it if about_it else known.again), then.row), random), then
