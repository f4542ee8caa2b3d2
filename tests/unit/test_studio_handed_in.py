"""Where uploads of the studio lie: in the home, private, and not for long."""

import os
import time
from pathlib import Path

import pytest

from studio_app import handed_in


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")


def sent(home: Path, name: str = "abc/hello.wav") -> Path:
    file = home / handed_in.FOLDER / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"RIFF")
    return file


def test_gradio_keeps_uploads_in_the_home_where_only_its_owner_looks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    handed_in.make_room(home)
    folder = home / handed_in.FOLDER
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    home.chmod(0o770)
    handed_in.make_room(home)
    assert folder.stat().st_mode & 0o777 == 0o770, "a home that a group shares"


def test_what_is_taken_over_is_gone_and_what_failed_is_still_there(tmp_path: Path) -> None:
    handed_in.make_room(tmp_path)
    file = sent(tmp_path)
    with pytest.raises(ValueError, match="unreadable"), handed_in.taken_over(tmp_path, str(file)):
        raise ValueError("unreadable")
    with handed_in.taken_over(tmp_path, str(file)) as path:
        assert path.read_bytes() == b"RIFF"
    assert list((tmp_path / handed_in.FOLDER).iterdir()) == []


@pytest.mark.parametrize(("later_s", "left"), [(0, {"abc", "tmp123"}), (90, {"abc"}), (2 * handed_in.WAITS_S, set())])
def test_what_nobody_took_goes_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later_s: float, left: set[str]
) -> None:
    """What a killed studio left; and the empty file that Gradio makes beside every upload."""
    handed_in.make_room(tmp_path)
    sent(tmp_path)
    (tmp_path / handed_in.FOLDER / "tmp123").touch()
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + later_s)
    handed_in.make_room(tmp_path)
    assert {place.name for place in (tmp_path / handed_in.FOLDER).iterdir()} == left
