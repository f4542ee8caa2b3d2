"""Which outside model does a step: what is known, what is there, what somebody chose."""

import re
from pathlib import Path

import pytest

from voicekit.errors import MissingModel, UsageError
from voicekit.models import (
    CATALOGUE,
    EMBEDDED_DEFAULTS,
    KnownModel,
    Step,
    chosen_folder,
    known_model,
    missing_files,
    states,
)
from voicekit.shipped import shipped_model

PACKAGES = tuple({known.package for known in CATALOGUE})
FETCHED = [known for known in CATALOGUE if not known.bundled]


def put(known: KnownModel, folder: Path) -> Path:
    """Files of the right names."""
    for name in known.files:
        (folder / known.name / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / known.name / name).write_bytes(b"x")
    return folder / known.name


def test_the_catalogue_is_sound() -> None:
    assert len({known.name for known in CATALOGUE}) == len(CATALOGUE)
    assert {known.step for known in CATALOGUE} == set(Step) == set(EMBEDDED_DEFAULTS)
    for known in FETCHED:
        assert known.files and bool(known.repository) != bool(known.urls) and known.licence and known.megabytes > 0
        assert known.page.startswith("https://") and re.fullmatch(r"[a-z0-9-]+", known.name)
        given = {url.rpartition("/")[2] for url, _ in known.urls} | {name for name, _ in known.texts}
        assert not known.urls or given == set(known.files)
    assert all(known.brings for known in CATALOGUE)
    assert [known.name for known in CATALOGUE if known.gated] == ["speaker-diarization-community-1"]


def test_what_is_bundled_says_its_licence_and_its_size() -> None:
    for step, files in ((Step.TRANSCRIPTION, "whisper-base"), (Step.SEPARATION, "deepfilternet3")):
        bytes_there = sum(file.stat().st_size for file in shipped_model(files).iterdir())
        bundled = EMBEDDED_DEFAULTS[step]
        assert bundled.licence and abs(bundled.megabytes - bytes_there / 1e6) < 1
    assert EMBEDDED_DEFAULTS[Step.DIARIZATION].licence


def test_what_is_there_and_what_is_missing(tmp_path: Path) -> None:
    known = known_model("htdemucs")
    before = {state.model.name: state for state in states(tmp_path, PACKAGES)}
    assert before["htdemucs"].missing == known.files and not before["htdemucs"].ready
    assert before["htdemucs"].folder == tmp_path / "htdemucs" and before["dnsmos"].ready
    (put(known, tmp_path) / known.files[1]).unlink()
    assert missing_files(known, tmp_path / "htdemucs") == known.files[1:]
    put(known, tmp_path)
    assert [s.ready for s in states(tmp_path, PACKAGES) if s.model is known] == [True]
    assert [s.ready for s in states(tmp_path, ()) if s.model is known] == [False]


def test_auto_takes_the_best_complete_model_or_none(tmp_path: Path) -> None:
    assert chosen_folder(Step.TRANSCRIPTION, "auto", tmp_path, PACKAGES) is None
    put(known_model("faster-whisper-tiny"), tmp_path)
    assert chosen_folder(Step.TRANSCRIPTION, "auto", tmp_path, PACKAGES) is None, "the embedded one is better"
    small = put(known_model("faster-whisper-small"), tmp_path)
    assert chosen_folder(Step.TRANSCRIPTION, "auto", tmp_path, PACKAGES) == small
    large = put(known_model("faster-whisper-large-v3"), tmp_path)
    assert chosen_folder(Step.TRANSCRIPTION, "", tmp_path, PACKAGES) == large
    (large / "model.bin").unlink()
    assert chosen_folder(Step.TRANSCRIPTION, "auto", tmp_path, PACKAGES) == small
    assert chosen_folder(Step.TRANSCRIPTION, "auto", tmp_path, ()) is None
    assert chosen_folder(Step.SEPARATION, "auto", tmp_path, PACKAGES) is None
    assert chosen_folder(Step.TRANSCRIPTION, "embedded", tmp_path, PACKAGES) is None


def test_a_name_or_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = put(known_model("faster-whisper-base"), tmp_path)
    assert chosen_folder(Step.TRANSCRIPTION, "faster-whisper-base", tmp_path, ()) == base
    (tmp_path / "my-whisper").mkdir()
    assert chosen_folder(Step.TRANSCRIPTION, "my-whisper", tmp_path, ()) == tmp_path / "my-whisper"
    (tmp_path / "elsewhere" / "other").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert chosen_folder(Step.SEPARATION, "./other", tmp_path / "models", ()) == tmp_path / "elsewhere" / "other"


@pytest.mark.parametrize("known", FETCHED, ids=lambda known: known.name)
def test_who_asks_for_what_is_not_there_is_told_what_to_put_where(known: KnownModel, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="is not there") as caught:
        chosen_folder(known.step, known.name, tmp_path, PACKAGES)
    remedy = caught.value.remedy
    assert f"voicekit models fetch {known.name}" in remedy and str(tmp_path / known.name) in remedy and known.page in remedy
    assert all(name in remedy for name in known.files)
    assert ("HF_TOKEN" in remedy) == known.gated


def test_a_model_of_another_step_or_of_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a model for separation, not for transcription"):
        chosen_folder(Step.TRANSCRIPTION, "htdemucs", tmp_path, PACKAGES)
    with pytest.raises(MissingModel, match="no model 'nowhere'") as caught:
        chosen_folder(Step.DIARIZATION, "nowhere", tmp_path, PACKAGES)
    assert "speaker-diarization-community-1" in caught.value.remedy
    with pytest.raises(UsageError, match="No model is called") as unknown:
        known_model("wavlm")
    assert "htdemucs" in unknown.value.remedy
