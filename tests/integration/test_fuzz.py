"""Spoiled files end as a recording or as a reason; what once did not has its own test. The long run: python -m bench.fuzz."""

import zipfile
from pathlib import Path

import pytest

from tests.fuzz import case, check
from tests.fuzz_material import sounds, zipped
from voicekit import audio
from voicekit.errors import RecordingsError
from voicekit.prepare.unpack import unpack

SLICE = range(60)


def test_numbers_name_files_for_ever_and_every_end_occurs(tmp_path: Path) -> None:
    ends = [check(case(number), tmp_path / str(number)) for number in SLICE]
    assert any(end.startswith("readable") for end in ends) and any(end.startswith("refused") for end in ends)
    assert case(7) == case(7) and len({case(number).how for number in SLICE}) > 30


def test_bzip2_reports_damage_as_an_error_of_the_system(tmp_path: Path) -> None:
    """Found at 144: `OSError: Invalid data stream`, without a number, ended the whole preparation with a traceback."""
    content = bytearray(zipped({"a.wav": sounds()["pcm16.wav"]}, zipfile.ZIP_BZIP2))
    content[2_000:2_100] = bytes(100)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(RecordingsError, match=r"a\.zip is a damaged zip file: Invalid data stream"):
        unpack(tmp_path / "a.zip", tmp_path / "work", audio.SUFFIXES)


def test_a_header_that_points_before_the_file_is_damage(tmp_path: Path) -> None:
    """Found at 230: FFmpeg asked for a place before the beginning, and the system's answer was taken for a broken disk."""
    assert check(case(230), tmp_path / "case").startswith("refused: a.aiff cannot be read as audio: it is damaged")


def test_a_flac_whose_frames_lie_about_their_place_is_not_sought_in(tmp_path: Path) -> None:
    """Found at 1717: with frames repeated, a stretch that was sought came from elsewhere than the same stretch of the whole."""
    assert check(case(1717), tmp_path / "case") == "readable: 1"
