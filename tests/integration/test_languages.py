"""Recordings in other languages than English: transcribed, aligned, graded, exported and read again, with the real Whisper."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from voicekit import audio
from voicekit.backends.whisper_alignment import WhisperAligner
from voicekit.engines import Engines
from voicekit.errors import LanguageError
from voicekit.evaluate.text import text_errors
from voicekit.exchange import export_dataset, read_audiofolder, read_ljspeech, read_rttm, read_textgrids
from voicekit.prepare import Given, load_dataset
from voicekit.prepare.spoken import joined, spoken_form, spoken_tokens
from voicekit.preparing import prepare_with
from voicekit.records import Dataset, Verdict, Waveform
from voicekit.settings import Settings
from voicekit.shipped import shipped_model
from voicekit.specs import PrepareSpec
from voicekit.wiring import engines

CLIPS = Path(__file__).parents[1] / "golden" / "languages"
READER = Path(__file__).parents[1] / "golden" / "reader"
LANGUAGES = ("zh", "ja", "es", "fr", "de")
UNSPACED = ("zh", "ja")
MIN_MATCH = PrepareSpec().min_script_match
WHISPER = str(shipped_model("whisper-base"))


def texts_of(language: str) -> dict[str, str]:
    lines = (CLIPS / language / "metadata.csv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("|") for line in lines)


def clip(language: str, name: str) -> Waveform:
    return audio.read(CLIPS / language / f"{name}.ogg")


@pytest.fixture(scope="module")
def aligner() -> WhisperAligner:
    model = WhisperModel(WHISPER, device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    return WhisperAligner(model, "whisper-base")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return engines(Settings(home=tmp_path_factory.mktemp("home"), device="cpu", threads=1))


@pytest.fixture(scope="module")
def prepared(real: Engines, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Dataset]]:
    """Makes a dataset of a language's clips, with their script or with what Whisper hears."""
    done: dict[tuple[str, bool], tuple[Path, Dataset]] = {}

    def prepare(language: str, script: bool) -> tuple[Path, Dataset]:
        if (language, script) not in done:
            root = tmp_path_factory.mktemp(language)
            shutil.copytree(CLIPS / language, root / "given")
            if not script:
                (root / "given" / "metadata.csv").unlink()
            spec = PrepareSpec(language=language, min_speech_s=10.0, transcriber="embedded" if script else WHISPER)
            base = real.open_base("nano")
            made = prepare_with(real, base, Given(root / "given"), spec, root / "made", lambda _: None, must_speak=False)
            done[language, script] = root / "made", made
        return done[language, script]

    return prepare


def damaged(words: list[str], others: list[str], seed: int) -> dict[str, list[str]]:
    """A text that is not said: another one, every second word of another, its halves in the wrong order."""
    draw, middle = random.Random(seed), len(words) // 2
    half = [draw.choice(others) if i % 2 else word for i, word in enumerate(words)]
    return {"another": others, "half replaced": half, "reordered": words[middle:] + words[:middle]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_right_script_is_told_from_wrong_ones(language: str, aligner: WhisperAligner) -> None:
    texts = texts_of(language)
    for name in ("1", "2"):
        wave, words = clip(language, name), spoken_form(texts[name], language).split()
        found = aligner.align(wave, " ".join(words), language)
        assert found is not None and found[1] > 0.8
        others = spoken_form(texts[str(int(name) + 2)], language).split()
        for kind, wrong in damaged(words, others, int(name)).items():
            other = aligner.align(wave, " ".join(wrong), language)
            assert other is None or other[1] < MIN_MATCH - 0.04, kind


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_word_has_its_place_in_order(language: str, aligner: WhisperAligner) -> None:
    wave, text = clip(language, "4"), spoken_form(texts_of(language)["4"], language)
    found = aligner.align(wave, text, language)
    assert found is not None
    words, times = found[0], [t for word in found[0] for t in (word.start_s, word.end_s)]
    assert [word.text for word in words] == text.split()
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= wave.duration_s
    spoken_s = sum(word.end_s - word.start_s for word in words)
    assert 0.6 * wave.duration_s < spoken_s <= wave.duration_s
    assert sum(word.end_s - word.start_s < 0.02 for word in words) <= len(words) / 8
    assert aligner.align(wave, text, language) == found


def test_words_of_english_lie_where_they_are_said(aligner: WhisperAligner) -> None:
    """Of a sentence with silence put between two words, the words keep out of the silence."""
    line = (READER / "metadata.csv").read_text(encoding="utf-8").splitlines()[0]
    wave, text = audio.read(next(READER.glob(f"{line.split('|')[0]}.*"))), spoken_form(line.split("|")[2], "en")
    found = aligner.align(wave, text, "en")
    assert found is not None and found[1] > 0.8
    silent = np.zeros((1, wave.sample_rate_hz), np.float32)
    later = aligner.align(Waveform(np.concatenate([silent, wave.samples], axis=1), wave.sample_rate_hz), text, "en")
    assert later is not None
    moved = [b.start_s - a.start_s for a, b in zip(found[0], later[0], strict=True)]
    assert np.median(moved) == pytest.approx(1.0, abs=0.03) and later[0][0].start_s > 0.9


def test_what_cannot_be_aligned_is_none(aligner: WhisperAligner) -> None:
    wave = clip("es", "1")
    assert aligner.align(wave, "", "es") is None
    assert aligner.align(wave, "hoy", "xx") is None
    assert aligner.align(Waveform(np.zeros((1, 24_000), np.float32), 24_000), "hoy", "es") is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_is_heard(language: str, aligner: WhisperAligner) -> None:
    heard, sure = aligner.detect_language(clip(language, "2"))
    assert heard == language and sure > 0.8
    assert aligner.detect_language(Waveform(np.zeros((1, 24_000), np.float32), 24_000)) == ("", 0.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_recordings_with_a_script(language: str, prepared: Callable[..., tuple[Path, Dataset]]) -> None:
    folder, made = prepared(language, True)
    assert [c.verdict for c in made.clips] == [Verdict.ACCEPTED] * 5, [c.reason for c in made.clips]
    assert {c.transcript.text for c in made.clips} == set(texts_of(language).values())
    for c in made.clips:
        tokens = [token for token, words in spoken_tokens(c.transcript.text, language) if words]
        assert c.grades.script_match > 0.8
        assert 1.5 < c.grades.speaking_rate_wps < 5.0
        assert joined(word.text for word in c.transcript.words) == c.transcript.text
        assert len(c.transcript.words) == len(tokens) >= (12 if language in UNSPACED else 6)
    assert export_dataset(folder, "ljspeech", folder / "ljspeech").count == 5
    assert {s.text for s in read_ljspeech(folder / "ljspeech")} == set(texts_of(language).values())
    export_dataset(folder, "hf", folder / "hf")
    assert {c.id: c.transcript for c in read_audiofolder(folder / "hf")} == {
        c.id: c.transcript for c in load_dataset(folder).clips
    }
    export_dataset(folder, "textgrid", folder / "grids")
    grids = read_textgrids(folder / "grids")
    assert {k: (t.text, [w.text for w in t.words]) for k, t in grids.items()} == {
        c.id: (c.transcript.text, [w.text for w in c.transcript.words]) for c in made.clips
    }
    export_dataset(folder, "rttm", folder / "rttm")
    assert len(read_rttm(folder / "rttm" / "turns.rttm")) == 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_recordings_without_a_script_are_written_down(language: str, prepared: Callable[..., tuple[Path, Dataset]]) -> None:
    _, made = prepared(language, False)
    truth = {f"{name}.ogg": text for name, text in texts_of(language).items()}
    errors = [text_errors(truth[c.recording], c.transcript.text, language) for c in made.clips]
    assert sum(e.character_errors for e in errors) / sum(e.num_characters for e in errors) < 0.15
    assert sum(c.verdict is Verdict.ACCEPTED for c in made.clips) >= 4
    assert all(c.transcript.words for c in made.clips)
    if language == "zh":
        assert all(text not in c.transcript.text for c in made.clips for text in "氣書園館遠這裡")


def test_a_script_of_other_recordings_is_refused(real: Engines, tmp_path: Path) -> None:
    shutil.copytree(CLIPS / "ja", tmp_path / "given")
    texts = texts_of("ja")
    lines = [f"{name}|{texts[str(int(name) % 5 + 1)]}" for name in texts]
    (tmp_path / "given" / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    spec, base = PrepareSpec(language="ja", transcriber="embedded"), real.open_base("nano")
    made = prepare_with(
        real, base, Given(tmp_path / "given"), spec, tmp_path / "made", lambda _: None, strict=False, must_speak=False
    )
    assert all(c.reason.startswith("script does not match") for c in made.clips) and len(made.clips) == 5


@pytest.mark.parametrize("language", ["zh", "fr"])
def test_a_long_recording_is_cut_where_sentences_or_clauses_end(language: str, real: Engines, tmp_path: Path) -> None:
    """Longer than Whisper hears at once, with its whole text as one."""
    texts, names = texts_of(language), [*"12345", *"214"]
    rate_hz = clip(language, "1").sample_rate_hz
    pause = 1e-4 * np.random.default_rng(0).standard_normal((1, int(0.6 * rate_hz))).astype(np.float32)
    parts = [part for name in names for part in (clip(language, name).samples, pause)]
    (tmp_path / "given").mkdir()
    audio.write_wav(tmp_path / "given" / "long.wav", Waveform(np.concatenate(parts, axis=1), rate_hz))
    sentences = [texts[name] for name in names]
    (tmp_path / "given" / "long.txt").write_text(joined(sentences), encoding="utf-8")
    spec, base = PrepareSpec(language=language, transcriber="embedded", diarize_from_s=600.0), real.open_base("nano")
    made = prepare_with(
        real, base, Given(tmp_path / "given"), spec, tmp_path / "made", lambda _: None, strict=False, must_speak=False
    )
    assert [c.verdict for c in made.clips] == [Verdict.ACCEPTED] * len(made.clips), [c.reason for c in made.clips]
    assert len(made.clips) >= 3 and joined(c.transcript.text for c in made.clips) == joined(sentences)
    ends = [c.transcript.text[-1] for c in made.clips]
    assert set(ends) <= set("。，.,") and sum(end in "。." for end in ends) >= len(ends) / 2


def test_a_base_that_cannot_speak_it_says_so_before_anything_is_cut(real: Engines, tmp_path: Path) -> None:
    base = real.open_base("nano")
    for language, said in (
        ("es", "does not speak 'es'"),
        ("en", "The recordings are in 'es', and the base model nano speaks en"),
    ):
        made = tmp_path / f"made-{language}"
        with pytest.raises(LanguageError, match=said) as raised:
            prepare_with(real, base, Given(CLIPS / "es"), PrepareSpec(language=language), made, lambda _: None)
        assert raised.value.remedy and not (made / "clips").exists()


def test_english_recordings_are_not_taken_for_another_language(real: Engines, tmp_path: Path) -> None:
    made = prepare_with(
        real,
        real.open_base("nano"),
        Given(READER),
        PrepareSpec(min_speech_s=0.0),
        tmp_path / "made",
        lambda _: None,
        strict=False,
    )
    assert made.clips and all(c.verdict is Verdict.ACCEPTED for c in made.clips)


def test_the_language_of_a_dataset_is_found_out(real: Engines, tmp_path: Path) -> None:
    shutil.copytree(CLIPS / "fr", tmp_path / "given")
    spec = PrepareSpec(language="auto", transcriber="embedded")
    made = prepare_with(
        real, real.open_base("nano"), Given(tmp_path / "given"), spec, tmp_path / "made", lambda _: None, strict=False,
        must_speak=False,
    )  # fmt: skip
    assert {c.verdict for c in made.clips} == {Verdict.ACCEPTED}
