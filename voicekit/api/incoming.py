"""Files of a request -> files on disk: types and sizes are looked at before anything is done with them."""

from __future__ import annotations

import shutil
import tempfile
import unicodedata
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastapi import UploadFile

from voicekit.api.errors import ApiError
from voicekit.api.fields import check_text

# File systems allow 255; a temporary file beside it has a longer name.
NAME_BYTES = 200


def check_kind(file: UploadFile, allowed: frozenset[str], param: str) -> None:
    """ApiError for a file whose name cannot be one, whose ending is none of `allowed`, or that is empty."""
    _check_name(file.filename or "", param)
    suffix = Path(file.filename or "").suffix.lower()
    if suffix not in allowed:
        kinds = " ".join(sorted(s.removeprefix(".") for s in allowed))
        problem = f"{file.filename or 'A file without a name'} is of no kind that is taken here."
        raise ApiError(415, "unsupported_media_type", problem, f"Send one of: {kinds}.", param)
    if not file.size:
        raise ApiError(422, "bad_recordings", f"{file.filename} is an empty file.", "Record or export it again.", param)


def _check_name(name: str, param: str) -> None:
    check_text(name, param)
    own = Path(name.replace("\\", "/")).name
    if len(own.encode()) > NAME_BYTES:
        problem = f"The name of a file is longer than {NAME_BYTES} bytes: {own[:40]}..."
        raise ApiError(422, "invalid_request", problem, "Rename it, also in the script.", param)
    if any(unicodedata.category(character) == "Cc" for character in name):
        problem = f"The name of a file holds a control character: {own[:80]!r}."
        raise ApiError(422, "invalid_request", problem, "Rename it, also in the script.", param)


def check_count(files: Sequence[object], most: int, param: str) -> None:
    if len(files) > most:
        raise ApiError(413, "too_many_files", f"{len(files)} files were sent; {most} may be.", "Send a zip.", param)


@contextmanager
def on_disk(file: UploadFile) -> Generator[Path, None, None]:
    """The file under its own name's ending in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="voicekit-upload-") as folder:
        path = Path(folder) / f"sent{Path(file.filename or '').suffix.lower()}"
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        yield path
