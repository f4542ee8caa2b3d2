"""Written text -> the words that are said: "On 3 May, 1984" -> on | three | may | nineteen eighty-four, token by token.

Only alignment sees the spoken form; a transcript keeps the text as it was given. Numbers are spelled in every language
that num2words knows; symbols and abbreviations in English.
"""

from __future__ import annotations

import re
import unicodedata

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)\b")
_DECADE = re.compile(r"\b(\d{3}0)s\b")
_MONEY = re.compile(r"([$£€])\s?(\d[\d,]*(?:\.\d+)?)")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_CURRENCY = {"$": "dollars", "£": "pounds", "€": "euros"}
_SYMBOLS = {"&": " and ", "%": " percent ", "+": " plus ", "=": " equals ", "@": " at ", "°": " degrees "}
_SHORT = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "vs": "versus", "etc": "et cetera"}
_ABBREVIATION = re.compile(rf"\b({'|'.join(_SHORT)})\.", re.IGNORECASE)


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


def primary(language: str) -> str:
    """The main part of a language tag: en-GB -> en."""
    return language.replace("_", "-").split("-")[0].lower()


def _spoken(token: str, language: str) -> list[str]:
    text = token.replace("\u2019", "'").replace("\u2018", "'").replace("\u02bc", "'")
    if primary(language) == "en":
        text = _english(text)
    text = _NUMBER.sub(lambda m: f" {_number(m[0], language)} ", text)
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def _english(text: str) -> str:
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = _ABBREVIATION.sub(lambda m: _SHORT[m[1].lower()], text)
    text = _MONEY.sub(lambda m: f"{m[2]} {_CURRENCY[m[1]]}", text)
    text = _ORDINAL.sub(lambda m: _words(int(m[1]), "en", "ordinal"), text)
    text = _DECADE.sub(lambda m: re.sub("ys$", "ies", _words(int(m[1]), "en", "year") + "s"), text)
    for symbol, words in _SYMBOLS.items():
        text = text.replace(symbol, words)
    return text


def _number(digits: str, language: str) -> str:
    plain = digits.replace(",", "")
    if "." in plain:
        return _words(float(plain), language, "cardinal")
    value = int(plain)
    if (len(digits) > 1 and digits.startswith("0")) or len(plain) > 15:
        return " ".join(_words(int(d), language, "cardinal") for d in plain)
    is_year = len(digits) == 4 and (1100 <= value < 2000 or 2010 <= value < 2100)
    return _words(value, language, "year" if is_year else "cardinal")


def _words(value: float, language: str, form: str) -> str:
    """A number spelled out, "" in a language that num2words does not know."""
    from num2words import num2words

    for kind in (form, "cardinal"):
        try:
            return str(num2words(value, lang=primary(language), to=kind)).replace(",", " ")
        except (NotImplementedError, ValueError, TypeError, KeyError, IndexError):
            continue
    return ""
