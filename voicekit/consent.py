"""Is a recording somebody's spoken consent? Decided from what a recogniser and a speaker encoder say; nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicekit.errors import LanguageError
from voicekit.evaluate.text import spoken_words, text_errors
from voicekit.records import FloatArray
from voicekit.verbalization import primary

# What is read aloud, word for word. A language is here when somebody who speaks it wrote its sentence.
STATEMENTS = {
    "en": "I am the owner of this voice. I agree that it may be used to make a synthetic voice that speaks like me.",
    "de": "Ich bin die Person, der diese Stimme gehört. Ich bin einverstanden, dass daraus eine künstliche Stimme entsteht.",
    "fr": "Je suis la personne à qui appartient cette voix. J'accepte qu'elle serve à créer une voix de synthèse.",
    "es": "Soy la persona a quien pertenece esta voz. Acepto que se use para crear una voz sintética.",
}

# Words that turn a statement into its opposite: one of them is few errors.
DENIALS = {
    "en": "do not don't no not never nobody nothing neither without cannot can't won't isn't refuse disagree",
    "de": "nicht nie niemals kein keine keinen keiner nein ohne",
    "fr": "ne pas jamais non sans aucune aucun refuse",
    "es": "no nunca jamás sin tampoco niego rechazo",
}

# A recogniser mishears a word in ten of some speakers; half of the statement, or another text, is far beyond this.
MAX_WER = 0.25
SHOWN_FROM = 0.4
# Two recordings of one speaker have a cosine of 0.8 to 1, of two speakers 0.4 to 0.7.
MIN_COSINE = 0.75


@dataclass(frozen=True)
class Words:
    """`heard` is what the recogniser understood, "" where that has little to do with the statement."""

    ok: bool
    heard: str


@dataclass(frozen=True)
class Likeness:
    ok: bool
    cosine: float


def statement(language: str) -> str:
    """What to read aloud. LanguageError names the languages that have a statement."""
    found = STATEMENTS.get(primary(language))
    if found is None:
        known = ", ".join(sorted(STATEMENTS))
        raise LanguageError(f"There is no consent statement in {language!r}.", f"Consent can be given in: {known}.")
    return found


def check_words(heard: str, language: str) -> Words:
    """Whether what a recogniser heard is the statement: with few word errors, and without a word that denies it."""
    text, denials = statement(language), set(DENIALS[primary(language)].split())
    alike = text_errors(text, heard, language).wer
    denied = denials & set(spoken_words(heard, language)) - set(spoken_words(text, language))
    return Words(alike <= MAX_WER and not denied, heard if alike <= 1 - SHOWN_FROM else "")


def compare_voice(consent: FloatArray, recordings: Sequence[FloatArray]) -> Likeness:
    """Whether the consent's embedding is that of the recordings' speaker (all unit-length)."""
    centre = np.mean(recordings, axis=0) if len(recordings) else np.zeros_like(consent)
    length = float(np.linalg.norm(centre))
    cosine = float(consent @ centre) / length if length > 0 else 0.0
    return Likeness(cosine >= MIN_COSINE, cosine)
