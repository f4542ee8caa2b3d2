"""A zip of recordings -> a folder, without trusting the zip: no path leaves the folder, sizes are counted as they are written.

Names are those that their makers saw: macOS writes UTF-8 and does not say so, older programs write the letters of their country.
"""

from __future__ import annotations

import errno
import hashlib
import json
import lzma
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import charset_normalizer

from voicekit import files
from voicekit.errors import RecordingsError, ResourceError, VoicekitError

MAX_FILES = 50_000
MAX_BYTES = 50 * 2**30
# Speech packs to a half at best; digital silence reaches 1000, but nobody sends only that.
MAX_RATIO, _RATIO_FROM_BYTES = 200, 64 * 2**20
_CHUNK = 1 << 20
_DONE = ".unpacked"
_UTF8 = 0x800  # the flag of a name that is UTF-8
_ENCODINGS = ("cp932", "gbk", "big5", "cp949", "cp866", "cp1251", "cp850", "cp1252", "cp437")
_LONG_RUN = re.compile(r"[^\x00-\x7f]{4}")  # of accented letters: no word has that
_AGAIN = "Pack the recordings again."
# What zipfile lets through of a zip that is not one: it checks little of what it reads.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, struct.error)
_BAD_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


def unpack(archive: Path, work: Path, wanted: frozenset[str], names: frozenset[str] = frozenset()) -> Path:
    """Extract the files whose suffix is `wanted`, or that are called as in `names`, into a folder below `work`, named by the
    zip's hash; return that folder.

    What was not wanted is named by `left_packed`. A second call with the same zip does nothing. Raises RecordingsError for a zip
    that is damaged, locked, too large, packed like a bomb, points outside itself or holds links or two files of one name. Zips
    inside are left aside.
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
            _extract_all(archive, zipped, work, folder, lambda path: path.suffix.lower() in wanted or path.name.lower() in names)
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
    return folder


def left_packed(folder: Path) -> list[str]:
    """The files of a zip that `unpack` did not extract into this folder, folders and what systems leave behind aside."""
    done = folder / _DONE
    lines = done.read_text(encoding="utf-8", errors="surrogatepass").splitlines() if done.is_file() else []
    return [json.loads(line) for line in lines]


def _extract_all(
    archive: Path, zipped: zipfile.ZipFile, work: Path, folder: Path, wanted: Callable[[PurePosixPath], bool]
) -> None:
    everything = zipped.infolist()
    if len(everything) > MAX_FILES:
        problem = f"{archive.name} is too large: it holds {len(everything)} files."
        raise RecordingsError(problem, f"At most {MAX_FILES} files are unpacked; give a folder instead.")
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    left: list[str] = []
    for member, name in zip(everything, names_of(everything), strict=True):
        path = _checked_path(archive, member, name)
        if member.is_dir():
            continue
        if not wanted(path):
            left.append(path.as_posix())
            continue
        if path in members:
            raise RecordingsError(f"{archive.name} holds two files of one name: {member.filename}.", _AGAIN)
        members[path] = member
    if not members and any(path.filename.lower().endswith(".zip") for path in everything):
        raise RecordingsError(f"{archive.name} holds no recordings, only another zip.", "Unpack it and give what is in it.")
    _check_limits(archive, list(members.values()), work)
    room = MAX_BYTES
    for path, member in members.items():
        room -= _extract(zipped, member, folder.joinpath(*path.parts), room)
    lines = "".join(json.dumps(name) + "\n" for name in left)
    files.write_bytes(folder / _DONE, lines.encode())


def names_of(members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """What the members are called. A name that is not marked as UTF-8 is that if it can be, else in the encoding that the names
    of the whole zip look like, else in that of the first PCs (437), as the standard says."""
    raw = [None if m.flag_bits & _UTF8 else m.filename.encode("cp437", "replace") for m in members]
    told = [_told_name(m, r) for m, r in zip(members, raw, strict=True)]
    odd = b"\n".join(r for r, t in zip(raw, told, strict=True) if r is not None and t is None and not _is_utf8(r))
    encoding = _encoding_of(odd)
    names: list[str] = []
    for member, bytes_of_name, name in zip(members, raw, told, strict=True):
        if name is None and bytes_of_name is not None:
            name = bytes_of_name.decode("utf-8" if _is_utf8(bytes_of_name) else encoding, "replace")
        names.append(member.filename if name is None else name)
    return names


def _encoding_of(names: bytes) -> str:
    """That of names which are no UTF-8: the standard's own where it makes accented letters of them, else the likeliest."""
    standard = names.decode("cp437")
    letters = [c for c in standard if not c.isascii()]
    if all(c.isalpha() and unicodedata.name(c, "").startswith("LATIN") for c in letters) and not _LONG_RUN.search(standard):
        return "cp437"
    found = charset_normalizer.from_bytes(names, cp_isolation=list(_ENCODINGS)).best()
    return found.encoding if found else "cp437"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _told_name(member: zipfile.ZipInfo, raw: bytes | None) -> str | None:
    """The name in Info-ZIP's field for it (0x7075), if that is about the name that is there."""
    extra = member.extra
    while raw is not None and len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == 0x7075 and len(content) > 5 and struct.unpack("<I", content[1:5])[0] == zlib.crc32(raw):
            return content[5:].decode("utf-8", "replace")
    return None


def _checked_path(archive: Path, member: zipfile.ZipInfo, name: str) -> PurePosixPath:
    """Where a member belongs, below the archive's folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:(?! )", path.as_posix()):
        raise RecordingsError(f"{archive.name} holds a path that leads out of it: {name}.", _AGAIN)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise RecordingsError(f"{archive.name} holds a link: {name}.", "Pack the files themselves.")
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
