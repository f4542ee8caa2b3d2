"""Is a recording somebody's spoken consent, and does it cover a voice? Decided from what a recogniser and a speaker encoder
say; nothing is stored. The bundled sample needs nobody's: it carries a consent of its own kind (assets/sample/consent.json)."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from voicekit import audio
from voicekit.errors import LanguageError, RecordingsError
from voicekit.evaluate.text import spoken_words, text_errors
from voicekit.ports import SpeakerEncoder
from voicekit.records import Consent, ConsentKind, ConsentState, FloatArray, Voice, VoiceState, Waveform
from voicekit.shipped import shipped
from voicekit.storage import read_json
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
# Enough to know a voice by; more would only take longer.
_COMPARED_FILES, _COMPARED_S = 8, 30.0
_NOBODY = "Record the speaker's consent and give it to the voice."
_AGAIN = "Let the speaker of the recordings give the consent, word for word, and give it to the voice."


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


def likeness_to(consent: Path, recordings: Sequence[Path], encoder: SpeakerEncoder) -> Likeness:
    """Whether the consent in a sound file was spoken by whom some of the recordings are of. Files that cannot be read are passed
    over: preparing them says which and why."""
    theirs: list[FloatArray] = []
    for path in recordings[:: max(1, len(recordings) // _COMPARED_FILES)][:_COMPARED_FILES]:
        try:
            theirs.append(encoder.embed(_beginning(path)))
        except RecordingsError:
            continue
    return compare_voice(encoder.embed(_beginning(consent)), theirs)


def state_of(voice: Voice, consent: Consent | None, synthetic: bool, required: bool = True) -> ConsentState:
    """How it stands with the permission for one version of a voice. `synthetic`: nobody spoke its recordings; `required` False:
    a voice may be published without."""
    if synthetic:
        own = sample_consent()
        return ConsentState(ConsentKind.SYNTHETIC, True, f"Synthetic speaker ({own['speaker']}): nobody has to consent.")
    found = _spoken(voice, consent)
    if found.holds:
        return found
    says = f"Published without a consent that holds. {found.says}" if voice.state is VoiceState.PUBLISHED else found.says
    if not required:
        says += " Consents are not required here (VOICEKIT_REQUIRE_CONSENT=false)."
    return ConsentState(found.kind, False, says, found.remedy)


def _spoken(voice: Voice, consent: Consent | None) -> ConsentState:
    if consent is None or consent.owner != voice.owner:
        return ConsentState(ConsentKind.NONE, False, f"Nobody consented to {voice.slug}.", _NOBODY)
    missing, remedy = "", _AGAIN
    if not consent.words_ok:
        missing = "its words are not those of the statement"
    elif voice.consent_cosine is None:
        missing, remedy = "its voice was not compared with the recordings yet", "Publishing compares them."
    elif not voice.consent_cosine >= MIN_COSINE:
        missing = f"it is not the recordings' voice (likeness {voice.consent_cosine:.2f}, at least {MIN_COSINE} is needed)"
    if missing:
        return ConsentState(ConsentKind.SPOKEN, False, f"The consent to {voice.slug} does not hold: {missing}.", remedy)
    alike = f"likeness {voice.consent_cosine:.2f}"
    return ConsentState(ConsentKind.SPOKEN, True, f"{consent.speaker} consented in person ({alike}), {consent.created_at[:10]}.")


@cache
def sample_consent() -> dict[str, str]:
    """The bundled sample's own consent: kind, speaker, statement."""
    return read_json(shipped("assets/sample") / "consent.json")


def of_the_sample(recordings: Collection[str]) -> bool:
    """Whether all of these recordings, named by the sha256 of their bytes, are the bundled sample's."""
    return bool(recordings) and set(recordings) <= _sample_recordings()


@cache
def _sample_recordings() -> frozenset[str]:
    with zipfile.ZipFile(shipped("assets/sample") / "recordings.zip") as sample:
        return frozenset(hashlib.sha256(sample.read(name)).hexdigest() for name in sample.namelist())


def _beginning(recording: Path) -> Waveform:
    """Its first _COMPARED_S, without the rest."""
    rate_hz, num_samples, parts = 0, 0, list[FloatArray]()
    for block in audio.blocks(recording):
        rate_hz, num_samples = block.sample_rate_hz, num_samples + block.num_samples
        parts.append(block.samples)
        if num_samples >= _COMPARED_S * rate_hz:
            break
    return Waveform(np.concatenate(parts, axis=1)[:, : int(_COMPARED_S * rate_hz)], rate_hz)


def compare_voice(consent: FloatArray, recordings: Sequence[FloatArray]) -> Likeness:
    """Whether the consent's embedding is that of the recordings' speaker (all unit-length)."""
    centre = np.mean(recordings, axis=0) if len(recordings) else np.zeros_like(consent)
    length = float(np.linalg.norm(centre))
    cosine = float(consent @ centre) / length if length > 0 else 0.0
    return Likeness(cosine >= MIN_COSINE, cosine)
