"""The synthetic speakers: whose voice each one is, how it is warped, and which of them training never hears.

A voice is a base (a person or a voice bank) and three factors. `resample` moves pitch and formants together, `pitch` moves
pitch alone, `rate` is the speed of the speech that is heard. Splits go by base: warps of a voice stay on its side.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Literal

Engine = Literal["flite", "festival", "espeak", "rhvoice", "pico"]
Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Voice:
    """One speaker: `bank` is the engine's own voice (with `accent` for espeak); the three factors are relative to it."""

    name: str
    base: str
    engine: Engine
    bank: str
    accent: str = ""
    rate: float = 1.0
    pitch: float = 1.0
    resample: float = 1.0
    split: Split = "train"
    named: bool = False


# Mean F0 of each bank as the engine speaks it, in Hz: what `pitch` 1.0 means for engines that take a frequency.
FLITE_F0_HZ = {"slt": 168.0, "awb": 130.0, "kal16": 91.0, "rms": 101.0}
FESTIVAL_F0_HZ = {"kal_diphone": 105.0, "ked_diphone": 105.0, "cmu_us_slt_arctic_hts": 174.0}

# "en" is British; espeak-ng takes no variant under the name "en-gb".
ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
ESPEAK_HELDOUT = ("f5", "belinda", "linda", "Annie", "m8", "ed", "travis", "victor")
ESPEAK_FEMALE = ("f1", "f2", "f3", "f4", "Alicia", "Andrea", "aunty", "anika", "steph", "shelby", "grandma", "Nguyen")
ESPEAK_MALE = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "Alex", "Andy", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee",
    "Marco", "Mario", "Michael", "Mike", "RicishayMax", "antonio", "benjamin", "boris", "david", "edward", "grandpa", "gustave",
    "iven", "john", "kaukovalta", "klatt2", "klatt3", "marcelo", "max", "michel", "miguel", "pablo", "paul", "pedro", "quincy",
    "rob", "robert", "sandro",
)  # fmt: skip

# (engine, bank, share of the natural audio, lowest and highest pitch factor)
NATURAL_TRAIN: tuple[tuple[Engine, str, float, float, float], ...] = (
    ("flite", "slt", 0.14, 0.84, 1.25),
    ("festival", "cmu_us_slt_arctic_hts", 0.06, 1.0, 1.0),
    ("flite", "awb", 0.16, 0.82, 1.25),
    ("rhvoice", "alan", 0.06, 0.85, 1.40),
    ("flite", "kal16", 0.08, 0.90, 1.70),
    ("festival", "kal_diphone", 0.08, 0.90, 1.45),
    ("rhvoice", "bdl", 0.14, 0.85, 1.50),
    ("rhvoice", "clb", 0.10, 0.80, 1.30),
    ("pico", "en-US", 0.10, 0.75, 1.25),
    ("pico", "en-GB", 0.08, 0.75, 1.25),
)
NATURAL_SHARE = 0.65
# RHVoice's alan and flite's awb are two banks of one person.
_BASES = {
    "slt": "slt", "cmu_us_slt_arctic_hts": "slt", "awb": "awb", "alan": "awb", "kal16": "kal", "kal_diphone": "kal",
    "bdl": "bdl", "clb": "clb", "en-US": "pico-us", "en-GB": "pico-gb",
}  # fmt: skip


def _natural(name: str, bank: str, resample: float, pitch: float, rate: float) -> Voice:
    engine: Engine = "flite" if bank in FLITE_F0_HZ else "festival"
    return Voice(name, _BASES[bank], engine, bank, "", rate, pitch, resample, named=True)


def _espeak(name: str, variant: str, accent: str, resample: float, pitch: float, rate: float) -> Voice:
    return Voice(name, f"espeak-{variant}", "espeak", variant, accent, rate, pitch, resample, named=True)


_HTS = "cmu_us_slt_arctic_hts"
NAMED: tuple[Voice, ...] = (
    _natural("ada", "slt", 1.00, 1.00, 1.00),
    _natural("clara", "slt", 1.12, 1.08, 0.95),
    _natural("nora", "slt", 1.20, 1.20, 1.00),
    _natural("vera", "slt", 0.90, 0.97, 1.05),
    _natural("olga", "slt", 0.84, 0.88, 0.95),
    _natural("iris", "slt", 1.05, 1.30, 1.12),
    _natural("tessa", _HTS, 1.10, 1.00, 0.90),
    _natural("mira", _HTS, 0.90, 1.00, 1.00),
    _natural("bruno", "awb", 1.00, 1.00, 1.00),
    _natural("felix", "awb", 0.90, 0.95, 1.05),
    _natural("hugo", "awb", 1.10, 1.10, 1.10),
    _natural("leo", "awb", 1.20, 1.15, 0.95),
    _natural("otto", "awb", 0.84, 0.86, 0.92),
    _natural("emil", "awb", 1.04, 0.82, 1.15),
    _natural("karl", "kal16", 1.00, 1.00, 1.00),
    _natural("simon", "kal16", 1.12, 1.35, 1.05),
    _natural("petra", "kal16", 1.20, 1.75, 0.95),
    _natural("jonas", "kal_diphone", 0.94, 1.20, 1.00),
    _espeak("lucy", "f2", "en-us", 1.00, 1.00, 1.00),
    _espeak("sara", "f3", "en", 1.03, 1.03, 0.95),
    _espeak("julia", "f4", "en-gb-x-rp", 0.96, 0.96, 1.05),
    _espeak("alice", "Alicia", "en-us", 1.03, 1.00, 1.00),
    _espeak("anna", "Andrea", "en", 0.97, 0.97, 0.90),
    _espeak("rosa", "f1", "en-029", 1.06, 1.05, 0.95),
    _espeak("wanda", "anika", "en-us", 0.97, 0.92, 0.88),
    _espeak("peter", "m1", "en-us", 0.97, 0.95, 0.95),
    _espeak("rolf", "m3", "en", 1.00, 1.00, 1.05),
    _espeak("ivan", "m5", "en-gb-scotland", 1.04, 1.10, 0.95),
    _espeak("dario", "m7", "en-us", 1.10, 1.15, 1.10),
    _espeak("mark", "Mike", "en-us", 0.95, 1.02, 1.00),
    _espeak("tomas", "Gene", "en-gb-x-gbclan", 1.05, 1.45, 1.00),
    _espeak("edgar", "Alex", "en-gb-x-rp", 1.00, 1.15, 0.92),
)
default_female = NAMED[0]

RMS = Voice("rms", "rms", "flite", "rms", split="heldout")
RMS_HIGH = Voice("rms_high", "rms", "flite", "rms", rate=0.92, resample=1.2, split="heldout")
KED = Voice("ked", "ked", "festival", "ked_diphone", split="heldout")
HELDOUT_ESPEAK: tuple[Voice, ...] = tuple(
    Voice(f"espeak-{variant}", f"espeak-{variant}", "espeak", variant, ACCENTS[n % 4], split="heldout")
    for n, variant in enumerate(ESPEAK_HELDOUT)
)
HELDOUT: tuple[Voice, ...] = (RMS, RMS_HIGH, KED, *HELDOUT_ESPEAK)


def random_train_voice(random: Random) -> Voice:
    """A new speaker from the training bases with random factors, natural bases `NATURAL_SHARE` of the time."""
    rate = _log_uniform(random, 0.85, 1.2)
    if random.random() < NATURAL_SHARE:
        engine, bank, _, low, high = random.choices(NATURAL_TRAIN, [row[2] for row in NATURAL_TRAIN])[0]
        pitch, resample = _log_uniform(random, low, high), _log_uniform(random, 0.83, 1.21)
        return _unnamed(_BASES[bank], engine, bank, "", rate, pitch, resample)
    variant = random.choice(ESPEAK_FEMALE if random.random() < 0.5 else ESPEAK_MALE)
    pitch, resample = _log_uniform(random, 0.85, 1.3), _log_uniform(random, 0.88, 1.14)
    return _unnamed(f"espeak-{variant}", "espeak", variant, random.choice(ACCENTS), rate, pitch, resample)


def _unnamed(base: str, engine: Engine, bank: str, accent: str, rate: float, pitch: float, resample: float) -> Voice:
    rate, pitch, resample = round(rate, 3), round(pitch, 3), round(resample, 3)
    spoken = f"{bank}-{accent}" if accent else bank
    return Voice(f"{spoken}-r{rate}-p{pitch}-s{resample}", base, engine, bank, accent, rate, pitch, resample)


def _log_uniform(random: Random, low: float, high: float) -> float:
    return math.exp(random.uniform(math.log(low), math.log(high)))
