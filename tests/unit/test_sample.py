"""The bundled sample speaker is what its README says, and what `voicekit create` expects of a user's zip."""

import io
import zipfile

import numpy as np
import pytest
import soundfile

from voicekit.shipped import shipped

SAMPLE = shipped("assets/sample/recordings.zip")


@pytest.fixture(scope="module")
def archive() -> zipfile.ZipFile:
    return zipfile.ZipFile(SAMPLE)


def test_every_row_of_the_script_has_its_recording_and_the_other_way_round(archive: zipfile.ZipFile) -> None:
    rows = [line.split("|") for line in archive.read("metadata.csv").decode().splitlines()]
    assert all(len(row) == 3 and all(row) for row in rows)
    assert {f"wavs/{row[0]}.ogg" for row in rows} == set(archive.namelist()) - {"metadata.csv"}
    assert len({row[2] for row in rows}) == len(rows) > 50


def test_about_four_minutes_of_clean_speech_in_a_small_file(archive: zipfile.ZipFile) -> None:
    assert SAMPLE.stat().st_size < 2_000_000
    total_s = 0.0
    for name in sorted(archive.namelist())[1:]:
        samples, rate_hz = soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")
        assert samples.ndim == 1 and rate_hz == 24_000
        assert 0.1 < np.abs(samples).max() < 1.0, name
        assert -26 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -20, name
        total_s += len(samples) / rate_hz
    assert 220 < total_s < 280


def test_the_wheel_carries_its_licence() -> None:
    assert "CMU ARCTIC" in SAMPLE.with_name("README.md").read_text(encoding="utf-8")
