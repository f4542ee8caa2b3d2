"""What a zip may hold, and what is done with what it may not."""

import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from voicekit import audio
from voicekit.errors import RecordingsError
from voicekit.prepare import unpack

WANTED = audio.SUFFIXES | {".txt"}


def packed(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return path


def unpacked(archive: Path) -> dict[str, bytes]:
    root = unpack.unpack(archive, archive.parent / "work", WANTED)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix}


def refusal(archive: Path) -> str:
    with pytest.raises(RecordingsError) as raised:
        unpack.unpack(archive, archive.parent / "work", WANTED)
    assert raised.value.remedy and not list(archive.parent.glob("work/**/*.wav"))
    return raised.value.problem


def test_what_is_wanted_comes_out_under_its_name(tmp_path: Path) -> None:
    members = (("a.wav", b"1"), ("d\\b.WAV", b"2"), ("日本/ä.txt", b"3"), ("run.sh", b"4"), ("d/", b""), ("./c.wav", b"5"))
    assert unpacked(packed(tmp_path / "a.zip", *members)) == {"a.wav": b"1", "d/b.WAV": b"2", "日本/ä.txt": b"3", "c.wav": b"5"}


def test_links_are_refused_wherever_they_point(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("voice")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert refusal(packed(tmp_path / "a.zip", (link, b"/etc"), ("voice/a.wav", b"1"))) == "a.zip holds a link: voice."


@pytest.mark.parametrize("second", ["a.wav", "./a.wav", "d/../../a.wav"])
def test_two_files_of_one_name_are_refused_for_one_would_be_lost(second: str, tmp_path: Path) -> None:
    said = refusal(packed(tmp_path / "a.zip", ("a.wav", b"1"), (second, b"2")))
    assert said == f"a.zip holds {'a path that leads out of it' if '..' in second else 'two files of one name'}: {second}."


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "a.wav/b.wav"])
def test_names_that_no_file_can_have_are_refused(name: str, tmp_path: Path) -> None:
    members = (("a.wav", b"1"), (name, b"2"))
    with pytest.raises(RecordingsError, match=r"a\.zip holds a name that no file can have"):
        unpack.unpack(packed(tmp_path / "a.zip", *members), tmp_path / "work", WANTED)


def test_bombs_and_crowds_are_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_RATIO_FROM_BYTES", 2**20)
    zeros = packed(tmp_path / "zeros.zip", ("a.wav", bytes(4 * 2**20)))
    assert "times as large: 4 MB, as recordings never do" in refusal(zeros)
    monkeypatch.setattr(unpack, "MAX_FILES", 5)
    assert "too large: it holds 6 files" in refusal(packed(tmp_path / "crowd.zip", *[(f"{n}.md", b"") for n in range(6)]))


def test_a_zip_in_a_zip_is_named(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", ("a.wav", b"1"))
    assert "only another zip" in refusal(packed(tmp_path / "a.zip", ("inner.zip", inner.read_bytes())))
    both = packed(tmp_path / "b.zip", ("inner.zip", inner.read_bytes()), ("b.wav", b"2"))
    assert unpacked(both) == {"b.wav": b"2"}


def test_a_locked_zip_says_so(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", ("a.wav", b"1"))
    content = bytearray(archive.read_bytes())
    content[content.rfind(b"PK\1\2") + 8] |= 1  # the bit in the directory that says "encrypted"
    archive.write_bytes(content)
    assert "password required" in refusal(archive)
