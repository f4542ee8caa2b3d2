"""Consents by the embedded instruments, on a synthetic voice (flite's slt), and by made ones where a number decides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from voicekit import audio, consent
from voicekit.backends.alignment import PocketsphinxAligner
from voicekit.backends.judge import PocketsphinxJudge
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.errors import LanguageError
from voicekit.prepare.spoken import spoken_form
from voicekit.records import Waveform, Word

VOICES = Path(__file__).parent.parent / "golden" / "voices"
SAID = spoken_form(consent.statement("en"), "en")
SILENCE = Waveform(np.zeros((1, 16_000), np.float32), 16_000)


@pytest.fixture(scope="module")
def judge() -> PocketsphinxJudge:
    return PocketsphinxJudge(consent.sentences("en"))


@pytest.mark.parametrize(("file", "ok"), [("slt-consent", True), ("slt-denial", False), ("slt-1", False), ("kal-2", False)])
def test_the_statement_is_told_from_its_denial_and_from_other_words(judge: PocketsphinxJudge, file: str, ok: bool) -> None:
    wave = audio.read(VOICES / f"{file}.ogg")
    found = consent.check_words(wave, "en", [PocketsphinxAligner()], ["en"], judge.transcribe)
    assert found.ok is ok
    assert found.heard == {"slt-consent": SAID, "slt-denial": SAID.replace("i agree", "i do not agree")}.get(file, "")


def test_an_aligner_alone_would_take_a_denial_for_a_consent() -> None:
    """Why a judge listens too."""
    denial = audio.read(VOICES / "slt-denial.ogg")
    found = consent.check_words(denial, "en", [PocketsphinxAligner()], ["en"], lambda _: "")
    assert found.ok


def test_the_voice_of_a_consent_is_compared_with_the_recordings() -> None:
    encoder = Ge2eSpeakerEncoder()
    mine, *others = (encoder.embed(audio.read(VOICES / f"{f}.ogg")) for f in ("slt-consent", "slt-1", "slt-2", "kal-1", "kal-2"))
    same, different = consent.compare_voice(mine, others[:2]), consent.compare_voice(mine, others[2:])
    assert same.ok and not different.ok and same.cosine > different.cosine + 0.2
    assert not consent.compare_voice(mine, []).ok


class Found:
    """An aligner that finds so many of the words, at that match."""

    def __init__(self, words: int, match: float) -> None:
        self.words, self.match = words, match

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        return tuple(Word(w, 0.0, 1.0, 1.0 if i < self.words else 0.1) for i, w in enumerate(text.split())), self.match


@pytest.mark.parametrize(("words", "match", "ok"), [(23, 1.0, True), (20, 0.7, True), (19, 0.9, False), (23, 0.5, False)])
def test_most_of_the_words_must_be_there(words: int, match: float, ok: bool) -> None:
    assert consent.check_words(SILENCE, "en", [Found(words, match)], ["en"], lambda _: SAID).ok is ok


def test_a_language_is_checked_by_who_knows_it() -> None:
    aligners: Sequence[Found | PocketsphinxAligner] = [PocketsphinxAligner(), Found(99, 1.0)]
    assert consent.check_words(SILENCE, "de-DE", aligners, ["en", "de"], lambda _: "").ok
    assert not consent.check_words(SILENCE, "de", aligners, ["de"], lambda _: "ich bin nicht einverstanden").ok
    with pytest.raises(LanguageError, match="Nothing here"):
        consent.check_words(SILENCE, "de", aligners, ["en"], lambda _: "")
    with pytest.raises(LanguageError, match="no consent statement"):
        consent.statement("tlh")


@pytest.mark.parametrize("language", consent.STATEMENTS)
def test_no_statement_denies_itself(language: str) -> None:
    said = spoken_form(consent.statement(language), language).split()
    assert consent.DENIALS[language] and not set(said) & set(consent.DENIALS[language].split()) - {"no"}
