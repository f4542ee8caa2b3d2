"""Text as the synthetic voices read it: lower case letters, apostrophes, full stops, commas and question marks."""

import re
import unicodedata

from num2words import num2words

ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz '.,?")

_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "messrs": "messers", "dr": "doctor", "st": "saint", "vs": "versus", "etc": "et cetera",
    "jr": "junior", "sr": "senior", "col": "colonel", "gen": "general", "lt": "lieutenant", "capt": "captain",
    "sgt": "sergeant", "rev": "reverend", "hon": "honourable", "esq": "esquire", "gov": "governor", "sen": "senator",
}  # fmt: skip
_ABBREVIATION = re.compile(r"\b(" + "|".join(_ABBREVIATIONS) + r")\b(\.(?=\s*[a-z,?]))?")
_LONGEST_NUMBER_DIGITS = 12
_LATIN = {"i.e.": "that is", "e.g.": "for example", "a.m.": "a m", "p.m.": "p m"}
_SYMBOLS = {"&": " and ", "%": " percent ", "@": " at ", "+": " plus ", "=": " equals "}
_PAUSES = re.compile(r"\s*(?:--+|[\u2013\u2014;:()\[\]{}]|\s-\s)\s*")


def normalise(text: str) -> str:
    """Spell the text out in words of the alphabet; any string is accepted, and normalising twice changes nothing."""
    text = _fold(text)
    text = re.sub(r"\b([A-Z])\.(?=\s*[A-Z])", r"\1 ", text).lower()
    for written, said in _LATIN.items():
        text = text.replace(written, f" {said} ")
    text = _spell_numbers(text)
    for symbol, said in _SYMBOLS.items():
        text = text.replace(symbol, said)
    text = _PAUSES.sub(", ", text).replace("!", ".")
    text = re.sub(r"[^a-z'.,?]", " ", text)
    text = re.sub(r"(?<![a-z])'|'(?![a-z])", " ", text)
    text = _ABBREVIATION.sub(lambda found: _ABBREVIATIONS[found[1]], text)
    return _tidy(text)


def clauses(text: str, most_words: int = 14) -> tuple[str, ...]:
    """Normalised pieces of the text with at most `most_words` words each, cut at punctuation where there is any."""
    pieces: list[list[str]] = []
    for clause in re.findall(r"[^.,?]+[.,?]?", normalise(text)):
        words = clause.split()
        parts = -(-len(words) // most_words)
        size = -(-len(words) // max(parts, 1))
        for start in range(0, len(words), max(size, 1)):
            part = words[start : start + size]
            if pieces and len(pieces[-1]) + len(part) <= most_words and not pieces[-1][-1].endswith((".", "?")):
                pieces[-1] += part
            else:
                pieces.append(part)
    return tuple(_closed(" ".join(piece)) for piece in pieces if piece)


def _closed(text: str) -> str:
    return text if text.endswith(("?", ".")) else text.rstrip(",") + "."


def _fold(text: str) -> str:
    text = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u00a3", "POUNDSIGN")
    folded = unicodedata.normalize("NFKD", text)
    folded = "".join(c for c in folded if not unicodedata.combining(c))
    return folded.replace("POUNDSIGN", "\u00a3")


def _spell_numbers(text: str) -> str:
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", text)
    text = re.sub(r"([$£])\s?([0-9]+)(?:\.([0-9]{2})\b)?", _money, text)
    text = re.sub(r"\b([0-9]{1,2}):([0-9]{2})\b", r"\1 \2", text)
    text = re.sub(r"([0-9]+)(?:st|nd|rd|th)\b", lambda f: _said(f[1], "ordinal"), text)
    text = re.sub(r"\b(1[1-9][0-9]{2}|20[1-9][0-9])'?s\b", lambda f: _plural(_said(f[1], "year")), text)
    text = re.sub(r"\b(1[1-9][0-9]{2}|20[1-9][0-9])\b", lambda f: _said(f[1], "year"), text)
    text = re.sub(r"([0-9]+)\.([0-9]+)", lambda f: f"{_said(f[1], 'cardinal')} point {' '.join(map(_digit, f[2]))}", text)
    return re.sub(r"[0-9]+", lambda f: f" {_said(f[0], 'cardinal')} ", text)


def _money(found: re.Match[str]) -> str:
    unit, part = ("dollars", "cents") if found[1] == "$" else ("pounds", "pence")
    whole = f" {_said(found[2], 'cardinal')} {unit} "
    return whole if found[3] is None else f"{whole} and {_said(found[3], 'cardinal')} {part} "


def _digit(digit: str) -> str:
    return str(num2words(int(digit)))


def _said(digits: str, way: str) -> str:
    if len(digits) > _LONGEST_NUMBER_DIGITS:
        return " ".join(map(_digit, digits))
    return " " + str(num2words(int(digits), to=way)).replace(",", "").replace("-", " ") + " "


def _plural(said: str) -> str:
    said = said.strip()
    return (said[:-1] + "ies" if said.endswith("y") else said + "s") + " "


def _tidy(text: str) -> str:
    text = re.sub(r"\s*([.,?])", r"\1", " ".join(text.split()))
    text = re.sub(r"[.,?]{2,}", lambda f: "?" if "?" in f[0] else "." if "." in f[0] else ",", text)
    text = re.sub(r"([.,?])(?=[a-z])", r"\1 ", text)
    return text.lstrip("., ?'").strip()
