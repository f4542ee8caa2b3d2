"""Several workers make clips at once: the same ones, in the same order, and kept as well."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fake_speech import BurstAligner, BurstCounter, burst_means, say, sentences
from voicekit import audio
from voicekit.errors import ResourceError
from voicekit.ports import OnProgress, Progress
from voicekit.prepare import Given, prepare_dataset
from voicekit.records import Dataset, Waveform, Word
from voicekit.specs import PrepareSpec

SPEC = PrepareSpec(min_speech_s=3.0)


class KilledError(BaseException):
    """What ends a process in the middle."""


class SlowAtFirst(BurstAligner):
    """The sooner it is asked, the later it answers."""

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        found = super().align(wave, text, language)
        time.sleep(0.05 * max(0, 6 - len(self.calls)))
        return found


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of several clips and five of one; however little it is, several make clips of it."""
    monkeypatch.setattr("voicekit.prepare.cutting._WORTH_HELP_S", 0.0)
    folder = tmp_path / "recordings"
    folder.mkdir()
    texts = [" ".join(sentences(12)), *sentences(5)]
    for number, text in enumerate(texts):
        audio.write_wav(folder / f"r{number}.wav", say(text))
    (folder / "metadata.csv").write_text("".join(f"r{number}|{text}\n" for number, text in enumerate(texts)))
    return folder


def prepared(
    given: Path, folder: Path, workers: int, aligner: BurstAligner | None = None, report: OnProgress = lambda _: None
) -> Dataset:
    return prepare_dataset(Given(given), SPEC, folder, burst_means(aligner or BurstAligner(), workers=workers), report)


@pytest.mark.parametrize("workers", [2, 5])
def test_so_many_workers_make_the_same_dataset(workers: int, given: Path, tmp_path: Path) -> None:
    alone = prepared(given, tmp_path / "alone", 1)
    assert len(alone.clips) >= 8
    fractions: list[float] = []
    together = prepared(given, tmp_path / "d", workers, SlowAtFirst(), lambda event: fractions.append(event.fraction))
    assert together == alone
    for clip in alone.clips:
        assert (tmp_path / "d" / clip.audio).read_bytes() == (tmp_path / "alone" / clip.audio).read_bytes()
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    asked = BurstAligner()
    assert prepared(given, tmp_path / "d", 1, asked) == alone and asked.calls == [], "what several made is kept as one's is"


def test_without_a_script_they_write_down_the_same(given: Path, tmp_path: Path) -> None:
    (given / "metadata.csv").unlink()

    def heard(folder: Path, workers: int) -> Dataset:
        means = burst_means(SlowAtFirst(), transcriber=BurstCounter(), workers=workers)
        return prepare_dataset(Given(given), SPEC, folder, means, lambda _: None)

    alone = heard(tmp_path / "alone", 1)
    assert alone.train() and all(c.transcript.source == "burst counter" for c in alone.clips)
    assert heard(tmp_path / "d", 2) == alone


def test_killed_in_the_middle_they_continue(given: Path, tmp_path: Path) -> None:
    whole = prepared(given, tmp_path / "whole", 1)

    def killed(event: Progress) -> None:
        if event.message == "r4.wav" and event.fraction > 0.2:  # not while they are taken in
            raise KilledError

    folder = tmp_path / "d"
    with pytest.raises(KilledError):
        prepared(given, folder, 2, report=killed)
    kept = (folder / "work" / "clips.jsonl").read_text().count("\n")
    assert 1 <= kept < 6 and not (folder / "dataset.json").exists()
    asked = BurstAligner()
    assert prepared(given, folder, 2, asked) == whole
    assert len(asked.calls) == 6 - kept, "what was finished is not made again"


def test_what_one_of_them_cannot_write_is_one_clear_error(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = audio.write_flac

    def write_flac(path: Path, wave: Waveform) -> None:
        if len(list(path.parent.glob("*.flac"))) >= 2:
            raise ResourceError("The disk is full.", "Free some space.")
        real(path, wave)

    with monkeypatch.context() as patched:
        patched.setattr(audio, "write_flac", write_flac)
        with pytest.raises(ResourceError, match="disk is full"):
            prepared(given, tmp_path / "d", 2)
    assert prepared(given, tmp_path / "d", 2) == prepared(given, tmp_path / "alone", 1)
    assert not list((tmp_path / "d" / "work").glob("track-*"))
