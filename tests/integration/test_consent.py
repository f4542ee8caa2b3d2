"""Consents as the embedded recogniser and speaker encoder hear them, on a synthetic voice (flite's slt)."""

from pathlib import Path

import pytest

from voicekit import audio, consent
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.errors import LanguageError
from voicekit.prepare.spoken import spoken_form
from voicekit.shipped import shipped_model

VOICES = Path(__file__).parent.parent / "golden" / "voices"
SAID = spoken_form(consent.statement("en"), "en").split()


@pytest.fixture(scope="module")
def recogniser() -> WhisperTranscriber:
    return WhisperTranscriber(shipped_model("whisper-base"), threads=1)


@pytest.mark.parametrize(("file", "ok"), [("slt-consent", True), ("slt-denial", False), ("slt-1", False), ("kal-2", False)])
def test_the_statement_is_told_from_its_denial_and_from_other_words(recogniser: WhisperTranscriber, file: str, ok: bool) -> None:
    heard = recogniser.transcribe(audio.read(VOICES / f"{file}.ogg"), "en")
    found = consent.check_words(heard, "en")
    assert found.ok is ok
    assert found.heard == (heard if file in ("slt-consent", "slt-denial") else ""), "other people's words are not shown"


def test_the_voice_of_a_consent_is_compared_with_the_recordings() -> None:
    encoder = Ge2eSpeakerEncoder()
    mine, *others = (encoder.embed(audio.read(VOICES / f"{f}.ogg")) for f in ("slt-consent", "slt-1", "slt-2", "kal-1", "kal-2"))
    same, different = consent.compare_voice(mine, others[:2]), consent.compare_voice(mine, others[2:])
    assert same.ok and not different.ok and same.cosine > different.cosine + 0.2
    assert not consent.compare_voice(mine, []).ok


@pytest.mark.parametrize(("missing", "ok"), [(0, True), (4, True), (8, False), (12, False)])
def test_most_of_the_words_must_be_there(missing: int, ok: bool) -> None:
    assert consent.check_words(" ".join(SAID[missing:]), "en").ok is ok


@pytest.mark.parametrize("word", ["not", "never", "don't"])
def test_one_word_that_denies_is_enough(word: str) -> None:
    assert not consent.check_words(" ".join([*SAID[:8], word, *SAID[8:]]), "en").ok


def test_a_statement_is_checked_in_its_language() -> None:
    assert consent.check_words(consent.statement("de").upper(), "de-AT").ok
    assert not consent.check_words(consent.statement("de").replace("einverstanden", "nicht einverstanden"), "de").ok
    assert not consent.check_words(consent.statement("en"), "de").ok
    with pytest.raises(LanguageError, match="no consent statement"):
        consent.check_words("anything", "tlh")


@pytest.mark.parametrize("language", consent.STATEMENTS)
def test_no_statement_denies_itself(language: str) -> None:
    said = spoken_form(consent.statement(language), language).split()
    assert consent.DENIALS[language] and not set(said) & set(consent.DENIALS[language].split()) - {"no"}
    assert consent.check_words(consent.statement(language), language).ok
