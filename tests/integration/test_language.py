"""Which language the recordings are in, where nobody says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.browser.house import LoudVad, recordings
from tests.fake_base import FakeBase
from tests.fake_engines import FakeJudge, fake_engines
from voicekit.errors import LanguageError
from voicekit.prepare import Given, intake
from voicekit.prepare.folder import load_made, load_recordings
from voicekit.preparing import prepare_with
from voicekit.records import Heard, Waveform
from voicekit.specs import PrepareSpec
from voicekit.storage import file_sha256


class Polyglot(FakeBase):
    def __init__(self, *languages: str) -> None:
        super().__init__()
        self.info = replace(self.info, languages=languages)


class Frenchman(FakeJudge):
    """Whoever it hears speaks French."""

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        return replace(super().hear(wave), language=language or "fr")


def prepared(base: FakeBase, transcriber: str, folder: Path) -> str:
    """The language of a dataset."""
    given = recordings(folder / "given", count=3)
    engines = replace(fake_engines(base), vad=LoudVad, transcriber=lambda _: Frenchman(base))
    spec = PrepareSpec(language="auto", transcriber=transcriber, min_speech_s=0.0)
    dataset = prepare_with(engines, base, Given(given), spec, folder / "made", lambda _: None, strict=False)
    assert {clip.recording for clip in dataset.clips} == {"000.wav", "001.wav", "002.wav"}
    return load_made(folder / "made")[0].prepare_spec().language


def test_a_base_of_one_language_hears_that(tmp_path: Path) -> None:
    assert prepared(Polyglot("en-US", "en-GB"), "embedded", tmp_path) == "en"


def test_a_transcriber_hears_which_it_is(tmp_path: Path) -> None:
    assert prepared(Polyglot("en", "fr"), "a folder", tmp_path) == "fr"


def test_a_language_that_the_base_does_not_speak_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LanguageError, match="'fr'"):
        prepared(Polyglot("en", "de"), "a folder", tmp_path)


def test_without_such_a_transcriber_it_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(LanguageError, match="which language"):
        prepared(Polyglot("en", "fr"), "embedded", tmp_path)


def test_recordings_that_cannot_be_read_have_no_language(tmp_path: Path) -> None:
    """However many may be broken, as in the studio: it was an error of the program once."""
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.wav").write_bytes(b"no sound")
    base = Polyglot("en", "fr")
    engines = replace(fake_engines(base), transcriber=lambda _: Frenchman(base))
    spec = PrepareSpec(language="auto", transcriber="a folder", max_failed_ratio=1.0)
    with pytest.raises(LanguageError, match="which language"):
        prepare_with(engines, base, Given(given), spec, tmp_path / "made", lambda _: None, strict=False)


def test_recordings_are_read_once_though_their_language_is_found_out_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def counted(file: Path) -> str:
        hashed.append(file.name)
        return file_sha256(file)

    monkeypatch.setattr(intake, "file_sha256", counted)
    assert prepared(Polyglot("en", "fr"), "a folder", tmp_path) == "fr"
    assert sorted(hashed) == ["000.wav", "001.wav", "002.wav"]
    kept = load_recordings(tmp_path / "made")
    assert {r.language for r in kept} == {"fr"}
