"""Is a recording somebody's spoken consent? Decided from what an aligner and a speaker encoder say; nothing is read or stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from voicekit.errors import LanguageError
from voicekit.ports import Aligner
from voicekit.prepare.spoken import primary, spoken_form
from voicekit.records import FloatArray, Waveform

# What is read aloud, word for word. A language is here when somebody who speaks it wrote its sentence.
STATEMENTS = {
    "en": "I am the owner of this voice. I agree that it may be used to make a synthetic voice that speaks like me.",
    "de": "Ich bin die Person, der diese Stimme gehört. Ich bin einverstanden, dass daraus eine künstliche Stimme entsteht.",
    "fr": "Je suis la personne à qui appartient cette voix. J'accepte qu'elle serve à créer une voix de synthèse.",
    "es": "Soy la persona a quien pertenece esta voz. Acepto que se use para crear una voz sintética.",
}

# Words that turn a statement into its opposite. An aligner does not notice them: it looks for the words it was given.
DENIALS = {
    "en": "do not don't no not never nobody nothing neither without cannot can't won't isn't refuse disagree",
    "de": "nicht nie niemals kein keine keinen keiner nein ohne",
    "fr": "ne pas jamais non sans aucune aucun refuse",
    "es": "no nunca jamás sin tampoco niego rechazo",
}

# Five of flite's voices reading the statement: match 0.96 and more, every word found; other texts: 0.4 and less; half of it: no
# alignment at all. With "not" or "never" put in, the match stays 0.82 to 0.99: these are for the judge to hear, which did.
MIN_MATCH = 0.6
MIN_WORD_CONFIDENCE = 0.5
MIN_WORDS_SAID = 0.85
SHOWN_FROM = 0.4
# Two recordings of one speaker have a cosine of 0.8 to 1, of two speakers 0.4 to 0.7.
MIN_COSINE = 0.75


@dataclass(frozen=True)
class Words:
    """`heard` is what the judge understood, "" where that has little to do with the statement: it expects those words only."""

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


def sentences(language: str) -> tuple[str, ...]:
    """What a judge should expect to hear: the statement, and the words that would deny it."""
    text, denials = spoken_form(statement(language), language), DENIALS[primary(language)]
    places = range(1, len(text.split()))
    denied = [" ".join([*text.split()[:at], word, *text.split()[at:]]) for word in ("not", "never") for at in places]
    return (text, denials, *(denied if primary(language) == "en" else ()))


def check_words(
    wave: Waveform, language: str, aligners: Sequence[Aligner], languages: Sequence[str], hear: Callable[[Waveform], str]
) -> Words:
    """Whether the recording says the statement: an aligner finds its words, and a judge (`hear`) no word against it.

    `languages` are those of the base, for aligners that do not name their own.
    """
    wanted, of_base = primary(language), tuple(primary(tag) for tag in languages)
    able = [a for a in aligners if wanted in getattr(a, "languages", of_base)]
    if not able:
        raise LanguageError(f"Nothing here can check what is said in {language!r}.", "Give the consent in another language.")
    spoken = spoken_form(statement(language), language)
    heard = hear(wave).split()
    alike = SequenceMatcher(None, heard, spoken.split(), autojunk=False).ratio()
    shown = " ".join(heard) if alike >= SHOWN_FROM else ""
    found = next((found for aligner in able if (found := aligner.align(wave, spoken, language)) is not None), None)
    if found is None or set(heard) & set(DENIALS[wanted].split()) - set(spoken.split()):
        return Words(False, shown)
    words, match = found
    said = [word.text for word in words if word.confidence >= MIN_WORD_CONFIDENCE]
    return Words(match >= MIN_MATCH and len(said) >= MIN_WORDS_SAID * len(spoken.split()), shown)


def compare_voice(consent: FloatArray, recordings: Sequence[FloatArray]) -> Likeness:
    """Whether the consent's embedding is that of the recordings' speaker (all unit-length)."""
    centre = np.mean(recordings, axis=0) if len(recordings) else np.zeros_like(consent)
    length = float(np.linalg.norm(centre))
    cosine = float(consent @ centre) / length if length > 0 else 0.0
    return Likeness(cosine >= MIN_COSINE, cosine)
