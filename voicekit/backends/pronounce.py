"""A guess at how an English word sounds that no dictionary has: good enough to find the word in speech, not to speak it.

Phones are those of the CMU dictionary, without stress.
"""

from __future__ import annotations

from collections.abc import Callable

Lookup = Callable[[str], str | None]
"""Phones of a known word, separated by spaces; None for an unknown one."""

_MIN_PART = 3
_VOWELS = "aeiouy"
_GRAPHEMES = {
    "ough": "AO", "augh": "AO", "eigh": "EY", "tion": "SH AH N", "sion": "ZH AH N", "cial": "SH AH L",
    "igh": "AY", "tch": "CH", "dge": "JH", "eau": "OW", "oor": "AO R", "air": "EH R", "ear": "IH R",
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "kn": "N", "wr": "R",
    "gh": "G", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "oi": "OY", "oy": "OY", "au": "AO", "aw": "AO",
    "ai": "EY", "ay": "EY", "ei": "IY", "ey": "IY", "ie": "IY", "oa": "OW", "ue": "UW", "ew": "UW",
    "ar": "AA R", "er": "ER", "ir": "ER", "or": "AO R", "ur": "ER", "yr": "ER",
    "ce": "S", "ci": "S IH", "cy": "S IY", "ge": "JH", "gi": "JH IH", "gy": "JH IY",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L",
    "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S",
    "y": "IY", "z": "Z",
}  # fmt: skip
_SPELLED = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY", "j": "JH EY",
    "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S",
    "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip
_SUFFIXES = {
    "'s": "Z",
    "s'": "",
    "s": "Z",
    "ness": "N AH S",
    "less": "L AH S",
    "ly": "L IY",
    "ing": "IH NG",
    "ed": "D",
    "er": "ER",
}


def guess(word: str, lookup: Lookup) -> str | None:
    """Phones of an unknown lower-case word, from known parts if there are any; None if it has letters English has not."""
    plain = word.replace("'", "")
    if not plain or any(letter not in _SPELLED for letter in plain):
        return None
    return _with_suffix(word, lookup) or _compound(plain, lookup) or _by_letters(plain)


def _with_suffix(word: str, lookup: Lookup) -> str | None:
    for suffix, phones in _SUFFIXES.items():
        stem = word.removesuffix(suffix)
        if stem == word or len(stem) < _MIN_PART:
            continue
        for spelled in (stem, stem + "e", stem[:-1] + "y" if stem.endswith("i") else stem):
            known = lookup(spelled)
            if known:
                return f"{known} {phones}".strip()
    return None


def _compound(word: str, lookup: Lookup) -> str | None:
    for cut in range(len(word) - _MIN_PART, _MIN_PART - 1, -1):
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second:
            return f"{first} {second}"
    return None


def _by_letters(word: str) -> str:
    if not any(letter in _VOWELS for letter in word):
        return " ".join(_SPELLED[letter] for letter in word)
    phones: list[str] = []
    position = 0
    while position < len(word):
        if word[position] == "e" and position == len(word) - 1 and phones:
            break
        if position and word[position] == word[position - 1] and word[position] not in _VOWELS:
            position += 1
            continue
        length = next(n for n in (4, 3, 2, 1) if word[position : position + n] in _GRAPHEMES)
        phones.append(_GRAPHEMES[word[position : position + length]])
        position += length
    return " ".join(phones)
