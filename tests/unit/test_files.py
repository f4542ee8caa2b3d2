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


def test_a_section_of_a_page_is_written_over_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    files.write_section(page, "one", "first \\1\n", "# Title")
    files.write_section(page, "two", "other", "# Title")
    files.write_section(page, "one", "second \\1", "# Title")
    marked = "<!-- one:begin -->\nsecond \\1\n<!-- one:end -->\n\n<!-- two:begin -->\nother\n<!-- two:end -->\n"
    assert page.read_text() == f"# Title\n\n{marked}"
