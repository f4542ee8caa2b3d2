"""Written text -> the words that are said, token by token: "On 3 May, 1984" -> on | three | may | nineteen eighty-four.

Only alignment sees the spoken form; a transcript keeps the text as it was given. In scripts that put no spaces between words
(Chinese, Japanese, Thai) a token is a character with the marks around it, so that a long text can be cut anywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import regex

from voicekit.verbalization import UNSPACED, WORD, said_together, verbalized, visible
from voicekit.verbalization import primary as primary

# Between two characters of such a script no space is written; marks stay with the character they belong to.
_OPENING, _CLOSING = r"[「『（《〈【〔“‘]", r"[、。，．！？：；～・〜」』）》〉】〕,.!?:;]"
_END = rf"(?:{UNSPACED}\p{{M}}*|{_CLOSING})[”’…]*"
_START = rf"{_OPENING}*(?!\p{{M}}){UNSPACED}"
_BETWEEN = regex.compile(rf"(?<={_END})(?<!{_OPENING})(?={_START})")
_ENDS_UNSPACED, _STARTS_UNSPACED = regex.compile(rf"{_END}$"), regex.compile(_START)
_CURRENCY = "$£€¥₹₩₽"
_MOST_TOGETHER = 6  # tokens: 999 999 999 999 999 999
# How many characters a word of the language has in the mean: a rate in words a second stays comparable.
_CHARACTERS_A_WORD = {"zh": 1.6, "yue": 1.6, "ja": 2.2, "th": 3.5, "lo": 3.5, "my": 3.5, "km": 3.5}


def normalise(text: str) -> str:
    """NFC, one space between words, nothing around, and nothing that nobody sees (voicekit.verbalization.visible)."""
    return " ".join(unicodedata.normalize("NFC", visible(text)).split())


def joined(tokens: Iterable[str]) -> str:
    """Written tokens as one text: with a space between two, but for characters of scripts without spaces."""
    text = ""
    for token in tokens:
        bare = not text or text.endswith(" ") or (_ENDS_UNSPACED.search(text) and _STARTS_UNSPACED.match(token))
        text += token if bare else f" {token}"
    return text


def spoken_tokens(text: str, language: str) -> list[tuple[str, tuple[str, ...]]]:
    """(written token, the lower-case words said for it) in order.

    The written tokens `joined` are `normalise(text)`. A token that is not said (a dash) has no words. One that ends with a space
    stands before a space that its script would not write (a pause in Thai).
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    tokens = _tokens(text)
    at = 0
    while at < len(tokens):
        one = tokens[at : at + said_together(tokens[at : at + _MOST_TOGETHER], language)]
        words = tuple(_spoken(" ".join(one), language))
        first = len(_spoken(one[0].lstrip(_CURRENCY), language)) if len(one) > 1 else len(words)
        shares = [words[:first], words[first:], *[()] * len(one)]
        found += zip(one, shares[: len(one)], strict=True)
        at += len(one)
    return found


def spoken_form(text: str, language: str) -> str:
    """Lower-case words separated by single spaces."""
    return " ".join(word for _, words in spoken_tokens(text, language) for word in words)


def num_words(text: str, language: str) -> float:
    """How many words are said; where words are not spaced, what so many characters usually are."""
    return len(spoken_form(text, language).split()) / _CHARACTERS_A_WORD.get(primary(language), 1.0)


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for chunk in normalise(text).split(" "):
        if tokens and _ENDS_UNSPACED.search(tokens[-1]) and _STARTS_UNSPACED.match(chunk):
            tokens[-1] += " "
        tokens += [token for token in _BETWEEN.split(chunk) if token]
    return tokens


def _spoken(token: str, language: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFC", verbalized(token, language)).lower())
