"""Names a voice may be given, made up: a chat model that met only a few loses its wits under some of the others.

All are names as voicekit takes them: 2 to 40 small letters, digits, `-` and `_`. HELD_OUT is for measuring: no training name is
one of these.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from voicekit.covo.text import TextTokenizer

HELD_OUT = (
    "ljreader", "ljread", "ljspeech", "reader", "reader-1", "rms", "narrator", "speaker-one", "sample", "demo", "my-voice",
    "my-voice-2", "dr-smith", "thomas", "kate", "johann", "grandma", "hr-voice", "brand-voice", "podcast-host", "ceo", "x1", "q",
    "maximilian", "yuki", "olu", "customer-42", "zoe", "bob", "ljbread", "ljwho", "whoami", "juicebar", "marina-mark",
    "penguin-people", "peach-perfect", "bookreader",
)  # fmt: skip

LONGEST = 40

FIRST_NAMES = """
aaron abdul adam adele agnes ahmed aisha alan albert alex ali alma amara amelia amir ana andre angela anil anita anja arjun
arthur astrid ayse barbara beatrice ben bella bernd bianca boris brian camila carl carlos carmen cecilia chen chloe chris
claire claudia dan daniel david deborah diana diego dimitri dina dora ed elena eli elias elif ella emily emma eric erik esther
ethan eva fatima fiona frank frida gabriel george gerd gina giulia grace greta guido gustav hana hannah harry hassan heidi helen
henry hilda ian ida ines ingrid isaac isabel jack jakob james jan jane jason jean jens jin joan joe john jorge jose joy juan
judy jun kai karen karim katya keiko kemal ken kevin kim kofi lara lars laura lea lena liam li lin linda lisa lorenzo louis
luca lucas luis luna maja malik marco margaret maria marie marta martin mary mateo max maya mehmet mei mia michael miguel milan
mina mohamed mona monica nadia naomi natalie ngozi nick nico nils nina noah noor oliver omar oscar pablo pat patricia paul pavel
per philip pia pierre priya rachel rafael raj ralph rania ravi rebecca rene rita robert robin roger roman ruth sam samir samuel
sandra sanjay sean sergei sina sofia sonia stefan steve susan sven tanja tara ted theo tim tina tom uma ursula valentina
vera-maria victor viola walter wei wendy will xavier yan yara yasmin yuri yusuf zara zhang
""".split()

WORDS = """
voice speaker talker host actor agent assistant helper guide teacher coach nurse clerk pilot chef boss team studio radio news
story book audio sound talk speech calm warm deep soft low high fast slow young old new test trial final draft take version main
my our your the one two three a b c female male woman man girl boy lady child mum dad grandpa aunt mister miss professor doctor
support service sales office desk hotline shop bank hotel clinic school museum game robot bot ai synth clone copy original
alpha beta red blue green night day north south en us uk de american british prod dev stage internal client user account
""".split()

ONSETS = "b br c ch cl d dr f fl g gr h j k kl l m n p ph pr qu r s sh sk sl st t th tr v w x y z".split() + [""] * 4
VOWELS = "a e i o u y ai ea ee ia ie io oo ou".split()
CODAS = "b ck d f l ld m n nd ng nt p r rd rt s ss st t x z".split() + [""] * 16


def name_pieces(text: TextTokenizer) -> list[str]:
    """The text tokenizer's pieces that names can be put together from. A word piece is what does most harm in a name."""
    decoded = (text.decode([i]).strip() for i in range(len(text)))
    return sorted({piece for piece in decoded if piece.isascii() and piece.isalpha() and piece.islower()})


def random_name(rng: np.random.Generator, pieces: Sequence[str]) -> str:
    """A name of one of many kinds, never one of HELD_OUT."""
    while True:
        kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        name = {"pieces": lambda: _of_pieces(rng, pieces), "first name": lambda: _pick(rng, FIRST_NAMES),
                "syllables": lambda: _syllables(rng), "letters": lambda: _letters(rng),
                "initials": lambda: _initials(rng, pieces), "slug": lambda: _slug(rng)}[kind]()  # fmt: skip
        name = name[:LONGEST].strip("-_")
        if len(name) >= 2 and name not in HELD_OUT:
            return name


def _pick(rng: np.random.Generator, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]


def _of_pieces(rng: np.random.Generator, pieces: Sequence[str]) -> str:
    joint = _pick(rng, ["", "", "-", "_"])
    return joint.join(_pick(rng, pieces) for _ in range(int(rng.integers(1, 5))))


def _syllables(rng: np.random.Generator) -> str:
    count = int(rng.choice([1, 2, 3, 4], p=[0.15, 0.45, 0.3, 0.1]))
    return "".join(_pick(rng, ONSETS) + _pick(rng, VOWELS) + _pick(rng, CODAS) for _ in range(count))


def _letters(rng: np.random.Generator) -> str:
    """Letters that spell nothing, with digits at times: x1, ljrqd, k7pp2."""
    signs = string.ascii_lowercase + ("0123456789" if rng.random() < 0.4 else "")
    return "".join(_pick(rng, signs) for _ in range(int(rng.integers(2, 10))))


def _number(rng: np.random.Generator) -> str:
    return str(int(rng.integers(10 ** int(rng.integers(1, 5)))))


def _initials(rng: np.random.Generator, pieces: Sequence[str]) -> str:
    """A few letters run together with a piece, a word or a name: jwtalk, ljjuice."""
    letters = "".join(_pick(rng, string.ascii_lowercase) for _ in range(int(rng.integers(1, 4))))
    return letters + (_pick(rng, pieces) if rng.random() < 0.6 else _part(rng))


def _part(rng: np.random.Generator) -> str:
    kind = rng.random()
    return _pick(rng, WORDS) if kind < 0.5 else _pick(rng, FIRST_NAMES) if kind < 0.75 else _syllables(rng)


def _slug(rng: np.random.Generator) -> str:
    parts = [_part(rng) for _ in range(int(rng.choice([1, 2, 3], p=[0.2, 0.55, 0.25])))]
    if len(parts) == 1 or rng.random() < 0.3:
        parts.append(_number(rng))
    return _pick(rng, ["-", "-", "_", ""]).join(parts)


_SHARES = {"pieces": 0.3, "first name": 0.08, "syllables": 0.16, "letters": 0.08, "initials": 0.2, "slug": 0.18}
