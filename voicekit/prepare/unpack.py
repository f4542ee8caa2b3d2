"""A zip of recordings -> a folder, without trusting the zip: no path leaves the folder, sizes are counted as they are written."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from voicekit import files
from voicekit.errors import RecordingsError, ResourceError

MAX_FILES = 50_000
MAX_BYTES = 50 * 2**30
_CHUNK = 1 << 20
_DONE = ".complete"


def unpack(archive: Path, work: Path, wanted: frozenset[str]) -> Path:
    """Extract the files whose suffix is `wanted` into a folder below `work`, named by the zip's hash; return that folder.

    A second call with the same zip does nothing. Raises RecordingsError for a zip that is damaged, locked, too large or
    points outside itself.
    """
    with archive.open("rb") as file:
        folder = work / hashlib.file_digest(file, "sha256").hexdigest()[:16]
    if (folder / _DONE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [m for m in zipped.infolist() if _is_wanted(archive, m, wanted)]
            _check_limits(archive, members, work)
            written = 0
            for member in members:
                written += _extract(zipped, member, folder, MAX_BYTES - written)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise RecordingsError(f"{archive.name} is a damaged zip file: {error}.", "Pack the recordings again.") from None
    except RuntimeError as error:  # what zipfile raises for a password
        raise RecordingsError(f"{archive.name} cannot be opened: {error}.", "Give a zip without a password.") from None
    files.write_bytes(folder / _DONE, b"")
    return folder


def _is_wanted(archive: Path, member: zipfile.ZipInfo, wanted: frozenset[str]) -> bool:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", member.filename):
        raise RecordingsError(
            f"{archive.name} holds a path that leads out of it: {member.filename}.", "Pack the recordings again."
        )
    is_file = not member.is_dir() and not stat.S_ISLNK(member.external_attr >> 16)
    return is_file and path.suffix.lower() in wanted


def _check_limits(archive: Path, members: list[zipfile.ZipInfo], work: Path) -> None:
    total = sum(m.file_size for m in members)
    if len(members) > MAX_FILES or total > MAX_BYTES:
        problem = f"{archive.name} is too large: {len(members)} files, {total / 2**30:.1f} GB."
        raise RecordingsError(problem, f"At most {MAX_FILES} files and {MAX_BYTES / 2**30:.0f} GB; give a folder instead.")
    with files.writing(work):
        work.mkdir(parents=True, exist_ok=True)
    if total > shutil.disk_usage(work).free:
        raise ResourceError(
            f"There is no room to unpack {archive.name}: {total / 2**20:.0f} MB.", "Free some space and run it again."
        )


def _extract(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, limit: int) -> int:
    """Write one member; returns its bytes. A member larger than it says is refused."""
    target = folder.joinpath(*PurePosixPath(member.filename.replace("\\", "/")).parts)
    size = 0
    with files.beside(target) as tmp, zipped.open(member) as source, tmp.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > min(limit, member.file_size):
                raise zipfile.BadZipFile(f"{member.filename} is larger than it says")
            sink.write(chunk)
    return size
