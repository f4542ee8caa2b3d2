"""Written text as it is said: numbers, signs and abbreviations become words ("on 3 May" is on three May).

Numbers are spelled in Chinese and in every language that num2words knows; in the others (Hindi) they stay digits. Signs are read
in the languages of _SIGNS, abbreviations in English.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from opencc import OpenCC

WORD = regex.compile(r"[\p{L}\p{M}]+(?:'[\p{L}\p{M}]+)*|\p{Nd}+")
"""A word keeps its combining marks (the vowels of Hindi and Thai) and the apostrophes inside it."""

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""A character of a script that puts no spaces between words."""

UNSPACED_LANGUAGES = frozenset("zh yue ja th lo km my".split())

# Group separators and the decimal mark: 1,234.5 in English and East Asia, 1.234,5 or 1 234,5 in most of Europe.
_POINT = regex.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+")
_COMMA = regex.compile(r"\d{1,3}(?:[. \u00a0\u202f]\d{3})+(?!\d)(?:,\d+)?|\d+,\d+|\d+")
_POINT_LANGUAGES = frozenset("en zh ja ko th hi he yue".split())
_CURRENCY = "$£€¥"
_AMOUNT = r"(?:\d[\d.,]*\d|\d)(?: (?:thousand|million|billion|trillion)\b)?"
# What stands for a sign, by language; a sign in front of a number ($5) is said after it, %0 is the number.
_SIGNS = {
    "en": {"%": "%0 percent", "$": "%0 dollars", "£": "%0 pounds", "€": "%0 euros", "¥": "%0 yen",
           "&": "and", "+": "plus", "=": "equals", "@": "at", "°": "degrees"},
    "de": {"%": "%0 Prozent", "$": "%0 Dollar", "£": "%0 Pfund", "€": "%0 Euro", "&": "und", "+": "plus", "°": "Grad"},
    "fr": {"%": "%0 pour cent", "$": "%0 dollars", "£": "%0 livres", "€": "%0 euros", "&": "et", "+": "plus", "°": "degrés"},
    "es": {"%": "%0 por ciento", "$": "%0 dólares", "£": "%0 libras", "€": "%0 euros", "&": "y", "+": "más", "°": "grados"},
    "ja": {"%": "%0パーセント", "$": "%0ドル", "€": "%0ユーロ", "¥": "%0円"},
    "zh": {"%": "百分之%0", "$": "%0美元", "€": "%0欧元", "¥": "%0元"},
}  # fmt: skip
_ORDINALS = {
    "en": regex.compile(r"\b(\d+)(?:st|nd|rd|th)\b"),
    "fr": regex.compile(r"\b(\d+)(?:ers?|ères?|es?|èmes?)\b"),
    "es": regex.compile(r"\b(\d+)\.?[ºª]"),
}
_TIME = regex.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_DECADE = regex.compile(r"\b(\d{3}0)s\b")
_CENTS = regex.compile(r"([$£€])\s?(\d[\d,]*)\.(\d\d)\b")
_SHORT = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "vs": "versus", "etc": "et cetera"}
_ABBREVIATION = regex.compile(rf"\b({'|'.join(_SHORT)})\.", regex.IGNORECASE)
_CHINESE_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc\uff07", "''''")


# Scripts by language; every other language is taken to be written in Latin letters.
_SCRIPTS = {
    **dict.fromkeys(("zh", "yue"), r"\p{Han}"),
    "ja": r"\p{Han}\p{Hiragana}\p{Katakana}",
    "ko": r"\p{Hangul}",
    **dict.fromkeys("ru uk be bg mk sr kk ky mn tg".split(), r"\p{Cyrillic}\p{Latin}"),
    **dict.fromkeys("ar fa ur ps".split(), r"\p{Arabic}"),
    **dict.fromkeys("hi mr ne sa".split(), r"\p{Devanagari}"),
    **dict.fromkeys(("he", "yi"), r"\p{Hebrew}"),
    "el": r"\p{Greek}", "th": r"\p{Thai}", "ka": r"\p{Georgian}", "hy": r"\p{Armenian}", "bn": r"\p{Bengali}",
    "ta": r"\p{Tamil}", "te": r"\p{Telugu}", "km": r"\p{Khmer}", "lo": r"\p{Lao}", "my": r"\p{Myanmar}", "am": r"\p{Ethiopic}",
}  # fmt: skip


def sayable(text: str, languages: Collection[str]) -> bool:
    """Whether a text holds anything that somebody who speaks these languages can say: a letter of their scripts, a number, or a
    sign that is read ("&")."""
    scripts = "".join(dict.fromkeys(_SCRIPTS.get(primary(language), r"\p{Latin}") for language in languages))
    letter = regex.compile(rf"[[{scripts}]&&\p{{L}}]|\p{{Nd}}", regex.V1)
    return any(letter.search(verbalized(text, language)) for language in languages)


def primary(language: str) -> str:
    """The main part of a language tag: en-GB -> en."""
    return language.replace("_", "-").split("-")[0].lower()


def verbalized(text: str, language: str) -> str:
    """The text with its numbers, signs and abbreviations in words (NFC; Chinese and Japanese NFKC); case and marks stay."""
    spoken = primary(language)
    text = unicodedata.normalize("NFKC" if spoken in ("zh", "ja", "yue", "ko") else "NFC", text).translate(_APOSTROPHES)
    if spoken == "en":
        text = _english(text)
    if (ordinal := _ORDINALS.get(spoken)) is not None:
        text = ordinal.sub(lambda m: f" {_in_words(int(m[1]), spoken, 'ordinal')} ", text)
    text = _signs(text, _SIGNS.get("zh" if spoken == "yue" else spoken, {}))
    number = _POINT if spoken in _POINT_LANGUAGES else _COMMA
    return number.sub(lambda m: f" {_number(m[0], spoken)} ", text)


def simplified(text: str, language: str) -> str:
    """Chinese in simplified characters, whichever it is written in; other languages as they are."""
    return _simplifier().convert(text) if primary(language) in ("zh", "yue") else text


def written(text: str, language: str) -> str:
    """What a recogniser wrote, in the script of a language tag: recognisers write either kind of Chinese characters."""
    traditional = {"hant", "tw", "hk", "mo"} & set(language.lower().replace("_", "-").split("-")) or primary(language) == "yue"
    return text if traditional else simplified(text, language)


@cache
def _simplifier() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


def _english(text: str) -> str:
    """English without diacritics, with what is particular to its way of writing."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = _ABBREVIATION.sub(lambda m: _SHORT[m[1].lower()], text)
    text = _TIME.sub(lambda m: f"{m[1]} {_minutes(m[2])}", text)
    text = _CENTS.sub(lambda m: f"{m[1]}{m[2]}" if m[3] == "00" else f"{m[1]}{m[2]} and {m[3]} {_cents(m[1])}", text)
    return _DECADE.sub(lambda m: regex.sub("ys$", "ies", _in_words(int(m[1]), "en", "year") + "s"), text)


def _minutes(digits: str) -> str:
    if digits == "00":
        return "o'clock"
    return f"oh {digits[1]}" if digits[0] == "0" else digits


def _cents(currency: str) -> str:
    return "pence" if currency == "£" else "cents"


def _signs(text: str, signs: dict[str, str]) -> str:
    for sign, said in signs.items():
        if sign not in text:
            continue
        if "%0" not in said:
            text = text.replace(sign, f" {said} ")
            continue
        mark = regex.escape(sign)
        if sign in _CURRENCY:
            text = regex.sub(rf"{mark}\s?({_AMOUNT})", lambda m, said=said: f" {said.replace('%0', m[1])} ", text)
        text = regex.sub(rf"({_AMOUNT})\s?{mark}", lambda m, said=said: f" {said.replace('%0', m[1])} ", text)
        text = text.replace(sign, f" {said.replace('%0', '').strip()} ")
    return text


def _number(digits: str, language: str) -> str:
    if language in _POINT_LANGUAGES:
        plain = digits.replace(",", "")
    else:
        plain = regex.sub(r"[. \u00a0\u202f]", "", digits).replace(",", ".")
    if "." in plain:
        return _in_words(float(plain), language, "cardinal")
    value = int(plain)
    if (len(digits) > 1 and value < 10 ** (len(plain) - 1)) or len(plain) > 15:
        return " ".join(_in_words(int(d), language, "cardinal") for d in plain)
    # In Japanese num2words counts years by eras.
    is_year = language != "ja" and len(digits) == 4 and (1100 <= value < 2000 or 2010 <= value < 2100)
    return _in_words(value, language, "year" if is_year else "cardinal")


def _in_words(value: float, language: str, form: str) -> str:
    """A number spelled out; in digits for a language that nobody here can spell."""
    if language in ("zh", "yue"):
        return _in_chinese(value, form)
    from num2words import num2words

    for kind in (form, "cardinal"):
        try:
            return str(num2words(value, lang=language, to=kind)).replace(",", " ")
        except (NotImplementedError, ValueError, TypeError, KeyError, IndexError, OverflowError):
            continue
    return str(value)


def _in_chinese(value: float, form: str) -> str:
    """Years are read digit by digit, other numbers in groups of ten thousand."""
    whole, _, decimals = str(value).partition(".")
    if form == "year" or not whole.isdecimal() or len(whole) > 12:
        return whole.translate(_CHINESE_DIGITS) + ("点" + decimals.translate(_CHINESE_DIGITS) if decimals else "")
    groups = [int(whole[max(0, end - 4) : end]) for end in range(len(whole), 0, -4)]
    spelled = ""
    for power in reversed(range(len(groups))):
        group = groups[power]
        if group:
            gap = "零" if spelled and group < 1000 else ""
            spelled += f"{gap}{_chinese_group(group)}{('', '万', '亿')[power]}"
    spelled = spelled.removeprefix("一") if spelled.startswith("一十") else spelled or "零"
    return spelled + ("点" + decimals.translate(_CHINESE_DIGITS) if decimals else "")


def _chinese_group(group: int) -> str:
    """1 to 9,999: 305 is 三百零五."""
    spelled, gap = "", False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit = group // size % 10
        if digit:
            spelled += ("零" if gap and spelled else "") + str(digit).translate(_CHINESE_DIGITS) + unit
        gap = not digit
    return spelled
