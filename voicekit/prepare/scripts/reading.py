"""A script's bytes -> its text, whatever program saved it."""

from __future__ import annotations

import re
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare.spoken import normalise

MAX_BYTES = 64 * 2**20
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x7f]")
_REMEDY = "Save it as UTF-8 text."


def read_text(path: Path) -> str:
    """UTF-8 or UTF-16 (with or without a byte order mark), else Windows-1252; line ends become \\n.

    Raises ScriptError for what is none of these, or no text at all.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ScriptError(f"The script {path.name} is larger than {MAX_BYTES // 2**20} MB.", "Give the text alone.")
        raw = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"The script {path.name} cannot be opened: {error.strerror}.", "Check that it may be read.") from None
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _NO_TEXT.search(text):
            break
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    raise ScriptError(f"The script {path.name} is not text: neither UTF-8, UTF-16 nor Windows-1252.", _REMEDY)


def whole_text(path: Path) -> str:
    return normalise(read_text(path))


def _encodings(raw: bytes) -> tuple[str, ...]:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ("utf-16",)
    odd, even = raw[1:2000:2].count(0), raw[0:2000:2].count(0)
    if max(odd, even) > len(raw[:2000]) // 5:  # every second byte of Western UTF-16 is zero
        return ("utf-16-le" if odd > even else "utf-16-be",)
    return ("utf-8-sig", "cp1252")
