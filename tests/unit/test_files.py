"""A file is whole or absent; a full disk is an error with a remedy."""

import errno
from pathlib import Path

import pytest

from voicekit import files
from voicekit.errors import ResourceError, UsageError


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), files.beside(path) as tmp:
        tmp.write_text("half of the new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, ResourceError), (errno.EACCES, UsageError)])
def test_what_the_system_refuses_is_said_with_the_file(tmp_path: Path, number: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"a\.txt"), files.beside(tmp_path / "a.txt"):
        raise OSError(number, "refused")
    assert list(tmp_path.iterdir()) == []
