"""Writing files so that a killed or failed write leaves the old file, or none, but never half a file."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from voicekit.errors import ResourceError, UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Turn a full disk or a forbidden folder met inside the block into an error that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            problem = f"The disk is full: {path} could not be written."
            raise ResourceError(problem, "Free some space and run it again; finished work is kept.") from error
        if error.errno in _FORBIDDEN:
            raise UsageError(f"{path} may not be written.", "Choose a folder that you may write to.") from error
        raise


@contextmanager
def beside(path: Path) -> Generator[Path, None, None]:
    """A temporary path in the folder of `path` (made if missing); renamed to `path` when the block ends well."""
    tmp = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield tmp
            os.replace(tmp, path)
        finally:
            tmp.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    with beside(path) as tmp:
        tmp.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """UTF-8, line ends as given."""
    write_bytes(path, text.encode("utf-8"))


def write_section(file: Path, name: str, text: str, title: str) -> None:
    """Put Markdown between the marks of `name`: in the place of its last version, or at the end of the file. A file that is not
    there begins with the line `title`."""
    known = file.read_text(encoding="utf-8") if file.is_file() else title
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    block = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    write_text(file, pattern.sub(lambda _: block, known) if pattern.search(known) else f"{known.rstrip()}\n\n{block}\n")
