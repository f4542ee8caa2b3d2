"""Headers that a recorder did not finish, or that lie: wav, RF64, AIFF, AU and CAF whose sound is longer than they say.

A recorder that is switched off or crashes leaves the length that it wrote first: nothing, or that of the first second. Players
read on to the end of the file. So does this: the file is seen with a header that tells the truth; it itself is not touched.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

UNFINISHED = "its header was not finished when it was recorded; it was read to its end"
JOINED = "another file begins behind its end, which is not read"

_LEAST_BYTES = 1_000
_LEAST_SHARE = 0.05  # of what the header says: less behind the sound is padding or a tag
_TAGS = (b"TAG", b"APETAGEX", b"ID3", b"LYRICS")
_BEGINNINGS = (b"RIFF", b"RF64", b"FORM", b".snd", b"caff")
_MOST_CHUNKS = 10_000
_UNKNOWN = (0xFFFFFFFF, 2**64 - 1)
_NEARLY_ALL = 0.995  # of what the header promises: some round up
_PLACEHOLDER = 0x7FFF0000  # so long are sounds whose recorder did not know yet
_FLAC_BEGINNINGS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")


class Mended(io.BufferedIOBase):
    """A file with some of its bytes replaced: `patches` by offset."""

    def __init__(self, path: Path, patches: Mapping[int, bytes]) -> None:
        self._file: BinaryIO = path.open("rb")
        self._patches = patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError) as error:
            raise ValueError(f"no place in a file: {offset}") from error

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        start = self._file.tell()
        data = bytearray(self._file.read(-1 if size is None else size))
        for at, patch in self._patches.items():
            first, after = max(at, start), min(at + len(patch), start + len(data))
            if first < after:
                data[first - start : after - start] = patch[first - at : after - at]
        return bytes(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def patches_of(path: Path) -> dict[int, bytes]:
    """What a file's header should say where it does not tell how long its sound is; {} for a header that can be believed."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] in (b"RIFF", b"RF64") and start[8:12] == b"WAVE":
            return _of_wav(file, size)
        if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
            return _of_aiff(file, size)
        if start[:4] == b".snd":
            offset, length = _number(file, 4, ">I"), _number(file, 8, ">I")
            wrong = length not in _UNKNOWN and _is_longer(file, offset, length, size)
            return {8: struct.pack(">I", size - offset)} if wrong else {}
        return _of_caf(file, size) if start[:4] == b"caff" else {}


def remark_of(path: Path) -> str:
    """What there is to say of a header, "" for nothing."""
    if patches_of(path):
        return UNFINISHED
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if _is_joined(file, start, size):
            return JOINED
        promised = _promised_bytes(file, start, size)
    if size >= _NEARLY_ALL * promised or promised >= _PLACEHOLDER:
        return ""
    return f"it breaks off: only {size / promised:.0%} of what its header promises is there"


def _is_joined(file: BinaryIO, start: bytes, size: int) -> bool:
    """Whether another file of its kind begins where a file ends."""
    if start[:4] in (b"RIFF", b"FORM"):
        end = 8 + _number(file, 4, "<I" if start[:1] == b"R" else ">I")
        return _bytes(file, end + (end & 1), 4) in _BEGINNINGS
    if start[:4] == b".snd":
        return _bytes(file, _number(file, 4, ">I") + _number(file, 8, ">I"), 4) == b".snd"
    if start[:4] == b"caff":
        return any(name == b"caff" for name, _, _ in _chunks(file, 8, size, ">Q", padded=False))
    if start[4:8] == b"ftyp":
        return any(name == b"ftyp" and at > 0 for name, at, _ in _boxes(file, size))
    return start[:4] == b"fLaC" and _holds_behind(file, 4, _FLAC_BEGINNINGS)


def _holds_behind(file: BinaryIO, at: int, wanted: tuple[bytes, ...]) -> bool:
    """Whether any of these stands in a file behind a place."""
    file.seek(at)
    rest = b""
    while chunk := file.read(1 << 20):
        if any(one in rest + chunk for one in wanted):
            return True
        rest = chunk[-16:]
    return False


def _promised_bytes(file: BinaryIO, start: bytes, size: int) -> int:
    """How long a file of uncompressed sound should be by the length of its sound; 0 where it does not tell."""
    if start[:4] == b".snd":
        length = _number(file, 8, ">I")
        return 0 if length in _UNKNOWN else _number(file, 4, ">I") + length
    kinds = {b"RIFF": ("<I", 12, b"data"), b"FORM": (">I", 12, b"SSND"), b"caff": (">Q", 8, b"data")}
    if start[:4] not in kinds:
        return 0
    kind, first, wanted = kinds[start[:4]]
    chunks = _chunks(file, first, size, kind, padded=start[:4] != b"caff")
    found = next(((at, length) for name, at, length in chunks if name == wanted), None)
    return 0 if found is None or found[1] in _UNKNOWN else found[0] + 4 + struct.calcsize(kind) + found[1]


def is_mpeg(path: Path) -> bool:
    """Whether a file is an mp3 by its beginning: soundfile's decoder of those writes its complaints to the terminal."""
    with path.open("rb") as file:
        start, at = file.read(10), 0
        while start[:3] == b"ID3" and len(start) == 10:  # a tag says how long it is in seven bits a byte
            at += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(start[6:], (21, 14, 7, 0), strict=True))
            start = _bytes(file, at, 10)
        known = start[:4] in (*_BEGINNINGS, b"fLaC", b"OggS")
        return (start[:1] == b"\xff" and len(start) > 1 and start[1] & 0xE0 == 0xE0) or (at > 0 and not known)


def lacks_index(path: Path) -> bool:
    """Whether an mp4 (m4a, mov) was never finished: where its samples lie stands at its end, and is not there."""
    with path.open("rb") as file:
        names = [name for name, _, _ in _boxes(file, path.stat().st_size)]
    return names[:1] == [b"ftyp"] and b"moov" not in names and b"moof" not in names


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each box of an mp4; a length of 0 goes to the end."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        length, name = _number(file, at, ">I"), _bytes(file, at + 4, 4)
        length = _number(file, at + 8, ">Q") if length == 1 else length
        yield name, at, length
        at += max(8, length)
        if length == 0 or at + 8 > size:
            return


def _of_wav(file: BinaryIO, size: int) -> dict[int, bytes]:
    block, ds64 = 1, 0
    for name, at, length in _chunks(file, 12, size, "<I"):
        if name == b"fmt ":
            block = max(1, _number(file, at + 20, "<H"))
        elif name == b"ds64":
            ds64 = at + 8
        elif name == b"data":
            begin = at + 8
            long = _number(file, ds64 + 8, "<Q") if ds64 and length == 0xFFFFFFFF else length
            if (long in _UNKNOWN and not ds64) or not _is_longer(file, begin, long, size):
                return {}
            there = (size - begin) // block * block
            if ds64:
                return {ds64: struct.pack("<QQQ", size - 8, there, there // block)}
            return {4: struct.pack("<I", min(size - 8, _UNKNOWN[0])), at + 4: struct.pack("<I", min(there, _UNKNOWN[0]))}
    return {}


def _of_aiff(file: BinaryIO, size: int) -> dict[int, bytes]:
    frames_at, frame_bytes = 0, 1
    for name, at, length in _chunks(file, 12, size, ">I"):
        if name == b"COMM":
            channels, bits = _number(file, at + 8, ">H"), _number(file, at + 14, ">H")
            frames_at, frame_bytes = at + 10, max(1, channels * ((bits + 7) // 8))
        elif name == b"SSND":
            begin = at + 16
            if not frames_at or not _is_longer(file, begin, max(0, length - 8), size):
                return {}
            frames = (size - begin) // frame_bytes
            return {
                4: struct.pack(">I", size - 8),
                frames_at: struct.pack(">I", frames),
                at + 4: struct.pack(">I", 8 + frames * frame_bytes),
            }
    return {}


def _of_caf(file: BinaryIO, size: int) -> dict[int, bytes]:
    for name, at, length in _chunks(file, 8, size, ">Q", padded=False):
        if name == b"data":
            wrong = length not in _UNKNOWN and _is_longer(file, at + 12, length, size)
            return {at + 4: b"\xff" * 8} if wrong else {}
    return {}


def _chunks(file: BinaryIO, at: int, size: int, kind: str, padded: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk from `at` on; `kind` is struct's for a length. `padded`: to an even length."""
    head = 4 + struct.calcsize(kind)
    for _ in range(_MOST_CHUNKS):
        if at + head > size:
            return
        length = _number(file, at + 4, kind)
        yield _bytes(file, at, 4), at, length
        at += head + length + (length & 1 if padded else 0)


def _is_longer(file: BinaryIO, begin: int, length: int, size: int) -> bool:
    """Whether sound goes on behind the `length` bytes that the header speaks of: what follows is neither a chunk nor a tag, and
    too much to be padding."""
    end = begin + length
    behind = size - end
    if behind < max(_LEAST_BYTES, _LEAST_SHARE * length):
        return False
    follows = _bytes(file, end + (length & 1), 4096)
    padding = length > 0 and not any(follows)
    return not (padding or follows.startswith(_TAGS) or _is_chunk(follows, behind))


def _is_chunk(follows: bytes, behind: int) -> bool:
    """Four printable characters and a length that fits, in either order of bytes."""
    name = follows[:4]
    if len(follows) < 8 or not all(0x20 <= byte < 0x7F for byte in name):
        return False
    return any(struct.unpack(order, follows[4:8])[0] <= behind for order in ("<I", ">I"))


def _number(file: BinaryIO, at: int, kind: str) -> int:
    """One number of struct's `kind`; what lies behind the end of the file counts as zero."""
    width = struct.calcsize(kind)
    return int(struct.unpack(kind, _bytes(file, at, width).ljust(width, b"\0"))[0])


def _bytes(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
