"""Written text -> the words that are said, token by token: "On 3 May, 1984" -> on | three | may | nineteen eighty-four.

Only alignment sees the spoken form; a transcript keeps the text as it was given.
"""

from __future__ import annotations

import unicodedata

from voicekit.verbalization import WORD, verbalized
from voicekit.verbalization import primary as primary


def normalise(text: str) -> str:
    """NFC, one space between words, nothing around."""
    return " ".join(unicodedata.normalize("NFC", text.replace("\ufeff", "")).split())


def spoken_tokens(text: str, language: str) -> list[tuple[str, tuple[str, ...]]]:
    """(written token, the lower-case words said for it) in order.

    The written tokens joined by spaces are `normalise(text)`. A token that is not said (a dash) has no words.
    """
    return [(token, tuple(_spoken(token, language))) for token in normalise(text).split(" ") if token]


def spoken_form(text: str, language: str) -> str:
    """Lower-case words separated by single spaces."""
    return " ".join(word for _, words in spoken_tokens(text, language) for word in words)


def _spoken(token: str, language: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFC", verbalized(token, language)).lower())
