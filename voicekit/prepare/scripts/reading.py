"""A script's bytes -> its text, whatever program saved it."""

from __future__ import annotations

from pathlib import Path

import regex

from voicekit.prepare.scripts.row import NoTableError

MAX_BYTES = 64 * 2**20
_NO_TEXT = regex.compile("[\x00-\x08\x0e-\x1b\x7f]")
_REMEDY = "Save it as UTF-8 text."
# Signs that Western text read as Windows-1252 does not have inside words: then it was Mac Roman, or of another country.
_MAC_ROMAN = regex.compile(r"\p{Ll}[ŽŠŒŸƒˆ‡Ž]|\p{L}[ÒÓÕ]\p{Ll}?\b")
_OTHER_COUNTRY = regex.compile(r"\p{L}[¹²³¿£¥¦§¶¸º»¼½¾¢¤¬±]\p{L}|[\u00c0-\u00ff]{5,}")
_MANY_ODD = 0.3  # of all letters: more than any Western language has beyond ASCII
_FEWEST_ODD = 8  # bytes beyond ASCII: of fewer nobody can tell where they are from
_ENCODINGS = (
    "cp932", "euc_jp", "gbk", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "cp866", "cp1250", "iso8859_2", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp1257", "cp874", "mac_roman",
)  # fmt: skip
_SCRIPTS = tuple(
    regex.compile(one)
    for one in (r"\p{Latin}", r"\p{Cyrillic}", r"\p{Greek}", r"[\p{Han}\p{Hiragana}\u30a0-\u30ff]", r"[\p{Hangul}\p{Han}]",
                r"\p{Arabic}", r"\p{Hebrew}", r"\p{Thai}")
)  # fmt: skip


def read_text(path: Path) -> str:
    """UTF-8, UTF-16 or UTF-32 (with or without a byte order mark), Windows-1252, or the encoding of another country that it looks
    like; line ends become \\n.

    Raises ScriptError for what is none of these, or no text at all.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise NoTableError(f"The script {path.name} is larger than {MAX_BYTES // 2**20} MB.", "Give the text alone.")
        raw = path.read_bytes()
    except OSError as error:
        raise NoTableError(f"The script {path.name} cannot be opened: {error.strerror}.", "Check that it may be read.") from None
    text = _decoded(raw.rstrip(b"\x1a"))
    if text is None or _NO_TEXT.search(text):
        raise NoTableError(f"The script {path.name} is not text: neither UTF-8, UTF-16 nor Windows-1252.", _REMEDY)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decoded(raw: bytes) -> str | None:
    """The text, or None where no encoding fits."""
    for encoding in _unicode_encodings(raw):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    try:
        western = raw.decode("cp1252")
    except UnicodeDecodeError:
        western = None
    if western is not None and _is_western(western):
        return western
    if western is None or _MAC_ROMAN.search(western):
        mac = raw.decode("mac_roman")
        if not _NO_TEXT.search(mac) and _is_western(mac) and regex.search(r"\p{Ll}[\u00df-\u00ff]|’\p{Ll}", mac):
            return mac
    return _of_another_country(raw)


def _of_another_country(raw: bytes) -> str | None:
    """By the letters that are frequent in the languages of the world."""
    import charset_normalizer

    if sum(byte > 0x7F for byte in raw) < _FEWEST_ODD:
        return None
    found = charset_normalizer.from_bytes(raw, cp_isolation=list(_ENCODINGS))
    return next((str(match) for match in found if not _NO_TEXT.search(str(match)) and _is_of_one_script(str(match))), None)


def _is_of_one_script(text: str) -> bool:
    """Whether the letters that are not ASCII are those of one way of writing; half-width katakana is what others become by
    mistake."""
    letters = [c for c in text if c.isalpha() and not c.isascii()]
    scripts = [next((n for n, one in enumerate(_SCRIPTS) if one.match(c)), -1) for c in letters]
    return bool(letters) and max(scripts.count(n) for n in range(len(_SCRIPTS))) >= 0.98 * len(letters)


def _is_western(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    odd = sum(not c.isascii() for c in letters)
    return odd <= _MANY_ODD * max(len(letters), 1) and not _OTHER_COUNTRY.search(text) and not _MAC_ROMAN.search(text)


def _unicode_encodings(raw: bytes) -> tuple[str, ...]:
    if raw[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return ("utf-32",)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ("utf-16",)
    odd, even = raw[1:2000:2].count(0), raw[0:2000:2].count(0)
    if max(odd, even) > len(raw[:2000]) // 5:  # every second byte of Western UTF-16 is zero
        return ("utf-16-le" if odd > even else "utf-16-be",)
    return ("utf-8-sig",)
