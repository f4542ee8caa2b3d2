"""A zip of recordings -> a folder, without trusting the zip: no path leaves the folder, sizes are counted as they are written."""

from __future__ import annotations

import errno
import hashlib
import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from voicekit import files
from voicekit.errors import RecordingsError, ResourceError, VoicekitError

MAX_FILES = 50_000
MAX_BYTES = 50 * 2**30
# Speech packs to a half at best; digital silence reaches 1000, but nobody sends only that.
MAX_RATIO, _RATIO_FROM_BYTES = 200, 64 * 2**20
_CHUNK = 1 << 20
_DONE = ".complete"
_AGAIN = "Pack the recordings again."
# What zipfile lets through of a zip that is not one: it checks little of what it reads.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, struct.error)
_BAD_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


def unpack(archive: Path, work: Path, wanted: frozenset[str]) -> Path:
    """Extract the files whose suffix is `wanted` into a folder below `work`, named by the zip's hash; return that folder.

    A second call with the same zip does nothing. Raises RecordingsError for a zip that is damaged, locked, too large, packed
    like a bomb, points outside itself or holds links or two files of one name. Zips inside are left aside.
    """
    try:
        with archive.open("rb") as file:
            folder = work / hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise RecordingsError(f"{archive.name} cannot be opened: {error.strerror}.", "Check that it may be read.") from None
    if (folder / _DONE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            _extract_all(archive, zipped, work, folder, wanted)
    except VoicekitError:
        raise
    except RuntimeError as error:  # what zipfile raises for a password, and for a method it does not know
        raise RecordingsError(f"{archive.name} cannot be opened: {error}.", "Give an ordinary zip without a password.") from None
    except OSError as error:
        if error.errno in _BAD_NAME:
            problem = f"{archive.name} holds a name that no file can have: {error.strerror}."
            raise RecordingsError(problem, _AGAIN) from None
        if error.errno is not None:
            raise
        raise RecordingsError(f"{archive.name} is a damaged zip file: {error}.", _AGAIN) from None  # bz2 says it so
    except _DAMAGED as error:
        raise RecordingsError(f"{archive.name} is a damaged zip file: {error}.", _AGAIN) from None
    files.write_bytes(folder / _DONE, b"")
    return folder


def _extract_all(archive: Path, zipped: zipfile.ZipFile, work: Path, folder: Path, wanted: frozenset[str]) -> None:
    everything = zipped.infolist()
    if len(everything) > MAX_FILES:
        problem = f"{archive.name} is too large: it holds {len(everything)} files."
        raise RecordingsError(problem, f"At most {MAX_FILES} files are unpacked; give a folder instead.")
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in everything:
        path = _checked_path(archive, member)
        if member.is_dir() or path.suffix.lower() not in wanted:
            continue
        if path in members:
            raise RecordingsError(f"{archive.name} holds two files of one name: {member.filename}.", _AGAIN)
        members[path] = member
    if not members and any(path.filename.lower().endswith(".zip") for path in everything):
        raise RecordingsError(f"{archive.name} holds no recordings, only another zip.", "Unpack it and give what is in it.")
    _check_limits(archive, list(members.values()), work)
    left = MAX_BYTES
    for path, member in members.items():
        left -= _extract(zipped, member, folder.joinpath(*path.parts), left)


def _checked_path(archive: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    """Where a member belongs, below the archive's folder."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", member.filename):
        raise RecordingsError(f"{archive.name} holds a path that leads out of it: {member.filename}.", _AGAIN)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise RecordingsError(f"{archive.name} holds a link: {member.filename}.", "Pack the files themselves.")
    return path


def _check_limits(archive: Path, members: list[zipfile.ZipInfo], work: Path) -> None:
    total = sum(m.file_size for m in members)
    if total > MAX_BYTES:
        problem = f"{archive.name} is too large: {len(members)} files, {total / 2**30:.1f} GB."
        raise RecordingsError(problem, f"At most {MAX_BYTES / 2**30:.0f} GB are unpacked; give a folder instead.")
    packed = max(archive.stat().st_size, 1)
    if total > max(_RATIO_FROM_BYTES, MAX_RATIO * packed):
        problem = f"{archive.name} would become {total // packed} times as large: {total / 2**20:.0f} MB, as recordings never do."
        raise RecordingsError(problem, "If you trust it, unpack it yourself and give the folder.")
    with files.writing(work):
        work.mkdir(parents=True, exist_ok=True)
    if total > shutil.disk_usage(work).free:
        raise ResourceError(
            f"There is no room to unpack {archive.name}: {total / 2**20:.0f} MB.", "Free some space and run it again."
        )


def _extract(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, limit: int) -> int:
    """Write one member; returns its bytes. A member larger than it says is refused."""
    size = 0
    with files.beside(target) as tmp, zipped.open(member) as source, tmp.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > min(limit, member.file_size):
                raise zipfile.BadZipFile(f"{member.filename} is larger than it says")
            sink.write(chunk)
    return size
