"""Written text as it is said: numbers, signs and abbreviations become words ("on 3 May" is on three May).

Numbers are spelled in Chinese and in every language that num2words knows; in the others (Hindi) they stay digits. Signs are read
in the languages of _SIGNS, abbreviations in English.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
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
_POINT = regex.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|(?<![\p{L}\d.])\.\d+|\d+")
_COMMA = regex.compile(r"\d{1,3}(?:\.\d{3})+(?!\d)(?:,\d+)?|\d+,\d+|\d+")
# Groups with spaces. In English 12 345 and 555 123 456 may be several numbers; 1 234 567 and 5 000 are one.
_GROUPED = regex.compile(r"(?<![\d.,])\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)")
_GROUPED_SURELY = regex.compile(
    r"(?<![\d.,])(?:\d{1,2}(?: \d{3}){2,}|\d{1,3}(?: \d{3})*(?: 000)+|\d{1,3}(?:[\u00a0\u202f]\d{3})+)(?!\d)(?! \d{3}\b)"
)
_POINT_LANGUAGES = frozenset("en zh ja ko th hi he yue".split())
_CURRENCY = "$£€¥₹₩₽¢"
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion", "tn": "trillion"}
_SCALE_WORDS = frozenset("thousand million billion trillion".split())
_AMOUNT = r"(?:\d[\d.,]*\d|\d)(?: (?:thousand|million|billion|trillion)\b)?"
# What stands for a sign, by language; a sign in front of a number ($5) is said after it, %0 is the number. Behind a bar: of one.
_SIGNS = {
    "en": {"%": "%0 percent", "‰": "%0 per mille", "$": "%0 dollars|%0 dollar", "£": "%0 pounds|%0 pound",
           "€": "%0 euros|%0 euro", "¥": "%0 yen", "₹": "%0 rupees|%0 rupee", "₩": "%0 won", "₽": "%0 rubles|%0 ruble",
           "¢": "%0 cents|%0 cent", "&": "and", "+": "plus", "=": "equals", "@": "at", "±": "plus or minus", "×": "times",
           "÷": "divided by", "≈": "approximately", "°": "degrees"},
    "de": {"%": "%0 Prozent", "‰": "%0 Promille", "$": "%0 Dollar", "£": "%0 Pfund", "€": "%0 Euro", "&": "und", "+": "plus",
           "=": "gleich", "±": "plus minus", "×": "mal", "÷": "geteilt durch", "°": "Grad"},
    "fr": {"%": "%0 pour cent", "$": "%0 dollars|%0 dollar", "£": "%0 livres|%0 livre", "€": "%0 euros|%0 euro", "&": "et",
           "+": "plus", "=": "égale", "×": "fois", "÷": "divisé par", "°": "degrés"},
    "es": {"%": "%0 por ciento", "$": "%0 dólares|%0 dólar", "£": "%0 libras|%0 libra", "€": "%0 euros|%0 euro", "&": "y",
           "+": "más", "=": "igual a", "×": "por", "÷": "dividido por", "°": "grados"},
    "ja": {"%": "%0パーセント", "$": "%0ドル", "€": "%0ユーロ", "¥": "%0円"},
    "zh": {"%": "百分之%0", "$": "%0美元", "€": "%0欧元", "¥": "%0元"},
}  # fmt: skip
# Behind a number: what several of a unit are called, and one. A unit written in capitals is another one (5 m, 5 M).
_UNITS = {
    "en": {"km": "kilometers", "m": "meters", "cm": "centimeters", "mm": "millimeters", "kg": "kilograms", "g": "grams",
           "mg": "milligrams", "t": "tons", "lb": "pounds", "lbs": "pounds", "oz": "ounces", "ft": "feet|foot", "mi": "miles",
           "yd": "yards", "l": "liters", "L": "liters", "ml": "milliliters", "mL": "milliliters", "km/h": "kilometers per hour",
           "kmh": "kilometers per hour", "mph": "miles per hour|mile per hour", "m/s": "meters per second", "h": "hours",
           "hr": "hours", "hrs": "hours", "yr": "years", "yrs": "years", "secs": "seconds",
           "tsp": "teaspoons", "tbsp": "tablespoons", "min": "minutes", "mins": "minutes", "sec": "seconds", "s": "seconds",
           "ms": "milliseconds", "Hz": "hertz|hertz", "kHz": "kilohertz|kilohertz", "MHz": "megahertz|megahertz",
           "GHz": "gigahertz|gigahertz", "W": "watts", "kW": "kilowatts", "MW": "megawatts", "V": "volts", "kB": "kilobytes",
           "KB": "kilobytes", "MB": "megabytes", "GB": "gigabytes", "TB": "terabytes", "dB": "decibels",
           "°C": "degrees celsius|degree celsius", "°F": "degrees fahrenheit|degree fahrenheit", "m²": "square meters",
           "km²": "square kilometers", "m³": "cubic meters", "cm²": "square centimeters", "cm³": "cubic centimeters",
           "am": "a m|a m", "a.m.": "a m|a m", "pm": "p m|p m", "p.m.": "p m|p m"},
    "de": {"km": "Kilometer", "m": "Meter", "cm": "Zentimeter", "mm": "Millimeter", "kg": "Kilogramm", "g": "Gramm",
           "t": "Tonnen|Tonne", "l": "Liter", "ml": "Milliliter", "km/h": "Kilometer pro Stunde", "h": "Stunden|Stunde",
           "min": "Minuten|Minute", "s": "Sekunden|Sekunde", "°C": "Grad Celsius", "m²": "Quadratmeter",
           "km²": "Quadratkilometer", "m³": "Kubikmeter", "Hz": "Hertz", "kHz": "Kilohertz", "MHz": "Megahertz",
           "GB": "Gigabyte", "MB": "Megabyte", "W": "Watt", "kW": "Kilowatt", "V": "Volt"},
    "fr": {"km": "kilomètres", "m": "mètres", "cm": "centimètres", "mm": "millimètres", "kg": "kilogrammes", "g": "grammes",
           "l": "litres", "ml": "millilitres", "km/h": "kilomètres par heure|kilomètre par heure", "h": "heures",
           "min": "minutes", "s": "secondes", "°C": "degrés celsius|degré celsius", "m²": "mètres carrés|mètre carré"},
    "es": {"km": "kilómetros", "m": "metros", "cm": "centímetros", "mm": "milímetros", "kg": "kilogramos", "g": "gramos",
           "l": "litros", "ml": "mililitros", "km/h": "kilómetros por hora|kilómetro por hora", "h": "horas",
           "min": "minutos", "s": "segundos", "°C": "grados celsius|grado celsius",
           "m²": "metros cuadrados|metro cuadrado"},
}  # fmt: skip
# Of fractions: the lower number in words, of several and of one; and what stands between a whole number and a fraction.
_FRACTIONS = {
    "en": ("and", {2: "halves|half", 3: "thirds|third", 4: "quarters|quarter", 5: "fifths|fifth", 6: "sixths|sixth",
                   7: "sevenths|seventh", 8: "eighths|eighth", 9: "ninths|ninth", 10: "tenths|tenth",
                   16: "sixteenths|sixteenth"}),
    "de": ("", {2: "halbe|halb", 3: "Drittel", 4: "Viertel", 5: "Fünftel", 6: "Sechstel", 8: "Achtel", 10: "Zehntel"}),
    "fr": ("et", {2: "demis|demi", 3: "tiers|tiers", 4: "quarts|quart", 5: "cinquièmes|cinquième", 8: "huitièmes|huitième"}),
    "es": ("y", {2: "medios|medio", 3: "tercios|tercio", 4: "cuartos|cuarto", 5: "quintos|quinto", 8: "octavos|octavo"}),
}  # fmt: skip
_ONE = {"en": "one", "de": "ein", "fr": "un", "es": "un"}
_POWERS = {
    "en": ("squared", "cubed", "to the"), "de": ("hoch zwei", "hoch drei", "hoch"), "fr": ("au carré", "au cube", "puissance"),
    "es": ("al cuadrado", "al cubo", "elevado a"),
}  # fmt: skip
_MINUS = {"en": "minus", "de": "minus", "fr": "moins", "es": "menos"}
_TO = {"en": "to", "de": "bis", "fr": "à", "es": "a"}
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
_FRACTION = regex.compile(rf"(?<![\d/⁄.,])(?:(\d+)[ \u00a0]?)??(?:(\d{{1,2}})⁄(\d{{1,2}})|([{_VULGAR}]))(?![\d/⁄])")
_SLASHED = regex.compile(r"(?<![\d/.,\p{L}-])(?:(\d+)[ \u00a0])?(\d{1,2})/(2|3|4|5|6|8|10|16)(?![\d/.,\p{L}-])")
_SUPERSCRIPT = regex.compile(r"(?<=[\d\p{L})])([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_NEGATIVE = regex.compile(r"(?<![\d\p{L}.,)])[-\u2212](?=[$£€]?\d)")
_RANGE = regex.compile(r"(?<=\d)\s?\u2013\s?(?=[$£€]?\d)")
_ORDINALS = {
    "en": regex.compile(r"\b(\d+)(?:st|nd|rd|th)\b"),
    "fr": regex.compile(r"\b(\d+)(?:ers?|ères?|es?|èmes?)\b"),
    "es": regex.compile(r"\b(\d+)\.?[ºª]"),
}
_TIME = regex.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_DECADE = regex.compile(r"\b(\d{3}0)s\b")
_SHORT_DECADE = regex.compile(r"(?<![\p{L}\d.,$£€-])'?(\d0)s\b")
_CENTS = regex.compile(r"([$£€])\s?(\d[\d,]*)\.(\d\d)\b")
_SHORT = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "vs": "versus", "etc": "et cetera", "prof": "professor",
    "capt": "captain", "gen": "general", "sgt": "sergeant", "lt": "lieutenant", "rev": "reverend", "jr": "junior", "sr": "senior",
    "mt": "mount", "approx": "approximately",
}  # fmt: skip
# Rulers and popes, whose number is an ordinal.
_RULERS = (
    "Alexander|Alfonso|Benedict|Boniface|Carlos|Catherine|Charles|Christian|Clement|Constantine|David|Edward|Elizabeth|Felipe|"
    "Ferdinand|Francis|Frederick|George|Gregory|Gustav|Haakon|Harald|Henry|Innocent|Ivan|James|John|Julius|Leo|Leopold|Louis|"
    "Margaret|Mary|Mehmed|Napoleon|Nicholas|Otto|Paul|Peter|Philip|Pius|Ptolemy|Ramses|Ramesses|Richard|Robert|Rudolf|"
    "Selim|Sixtus|Thutmose|Umberto|Urban|Victor|Wilhelm|William"
)
_PARTS = (
    r"act|appendix|article|book|chapter|class|figure|grade|level|number|page|part|phase|plate|scene|section|stage|table|title|type|"
    r"vol\.|volume"
)
# XXXIX at most. One letter alone is a number only behind a ruler, and behind a part that is written large ("Act I").
_TWO_OR_MORE = r"(?:X{1,3}(?:IX|IV|V?I{1,3}|V)|X{2,3}|IX|IV|VI{1,3}|I{2,3})"
_RULER = regex.compile(rf"\b({_RULERS}) ({_TWO_OR_MORE}|V|X)\b")
_NAME_BEFORE = r"(?<=\b\p{Lu}\p{Ll}{2,} )(?<!\b(?:The|With|Her|His|For) )"
_ROMAN = regex.compile(
    rf"(?:(?<=\b(?i:{_PARTS}) ){_TWO_OR_MORE}|(?<=\b(?:{_PARTS.title()}) )[IVX]|{_NAME_BEFORE}{_TWO_OR_MORE})"
    r"\b(?!['\u2019.]\p{L})"
)
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10}
_NUMBERED = regex.compile(r"(?:\bNo\.\s?|\bNos\.\s?|№\s?|(?<![\p{L}\d#])#)(?=\d)")
_SCALED = regex.compile(rf"([{_CURRENCY}]\s?\d[\d.,]*)(k|mn?|bn?|tn)\b", regex.IGNORECASE)
_ABBREVIATION = regex.compile(rf"\b({'|'.join(_SHORT)})\.", regex.IGNORECASE)
_CHINESE_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc\uff07", "''''")
_MISTYPED_APOSTROPHE = regex.compile(r"(?<=\p{L})[\u00b4`\u2032\u201b](?=\p{L})")
# Cc but for white space, Cs, and of Cf all but the joiners that change letters (ZWNJ and ZWJ).
_UNSEEN = regex.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def visible(text: str) -> str:
    """A text without what nobody sees or says, and on which tokenizers, files and terminals stumble: halves of characters (lone
    surrogates), control characters, soft hyphens, marks of direction and of the order of bytes. White space stays, and so do the
    joiners inside words."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub("", text)


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
    # Letters that fill a place and are not seen (of Hangul) are no word.
    letter = regex.compile(rf"[[{scripts}]&&\p{{L}}--[\u115f\u1160\u3164\uffa0]]|\p{{Nd}}", regex.V1)
    return any(letter.search(verbalized(text, language)) for language in languages)


def primary(language: str) -> str:
    """The main part of a language tag: en-GB -> en."""
    return language.replace("_", "-").split("-")[0].lower()


def verbalized(text: str, language: str) -> str:
    """The text with its numbers, signs and abbreviations in words (NFC; Chinese and Japanese NFKC); case and marks stay."""
    spoken = primary(language)
    text = _MISTYPED_APOSTROPHE.sub("'", text.translate(_APOSTROPHES))
    text = _grouped(spoken).sub(lambda m: "".join(m[0].split()), text)
    text = _measures(text, spoken)
    text = unicodedata.normalize("NFKC" if spoken in ("zh", "ja", "yue", "ko") else "NFC", text)
    if spoken == "en":
        text = _english(text)
    if (ordinal := _ORDINALS.get(spoken)) is not None:
        text = ordinal.sub(lambda m: f" {_in_words(int(m[1]), spoken, 'ordinal')} ", text)
    text = _signs(text, _SIGNS.get("zh" if spoken == "yue" else spoken, {}))
    number = _POINT if spoken in _POINT_LANGUAGES else _COMMA
    return number.sub(lambda m: f" {_number(m[0], spoken)} ", text)


def said_together(tokens: Sequence[str], language: str) -> int:
    """How many of the first written tokens are said as one: a number in groups (1 000 000), a number and its unit (5 kg), an
    amount and its size ($5 million), No. 5, Henry VIII. 1 where the first stands for itself."""
    spoken = primary(language)
    number = _grouped(spoken).match(" ".join(tokens).lstrip(f"(“\"'-{_CURRENCY}")) if tokens[0][-1:].isdecimal() else None
    count = number[0].count(" ") + 1 if number else 1
    return count + 1 if len(tokens) > count and _goes_on("".join(tokens[:count]), tokens[count], spoken) else count


def _grouped(language: str) -> regex.Pattern[str]:
    return _GROUPED_SURELY if language in _POINT_LANGUAGES else _GROUPED


def _goes_on(token: str, following: str, language: str) -> bool:
    bare = following.rstrip(".,;:!?)”\"'")
    if language == "en" and (_RULER.match(f"{token} {bare}") or _ROMAN.search(f"{token} {bare}")):
        return True
    if regex.fullmatch(r"№|#|Nos?\.", token):
        return language == "en" and bare[:1].isdecimal()
    if not regex.fullmatch(rf"[(“\"'-]?[{_CURRENCY}]?(?:\d[\d.,]*[{_VULGAR}]?|[{_VULGAR}])", token) or token[-1] in ".,":
        return False
    fraction = (
        token[-1].isdecimal()
        and regex.fullmatch(rf"[{_VULGAR}]|\d{{1,2}}⁄\d{{1,2}}|\d{{1,2}}/(?:[2-68]|10|16)", bare) is not None
    )
    amount = language == "en" and any(sign in token for sign in _CURRENCY) and bare in _SCALE_WORDS
    units = _UNITS.get(language, {})
    return bool(bare) and (amount or (fraction and language in _FRACTIONS) or bare in units or following in units)


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


def _measures(text: str, language: str) -> str:
    """Units, fractions, powers, signs of numbers and ranges in words: before letters and digits lose what tells them apart."""
    if (units := _UNITS.get(language)) is not None:
        text = _unit_pattern(language).sub(lambda m: f"{m[1]} {_of(units[m[2]], m[1])} ", text)
    if language in _FRACTIONS:
        text = _FRACTION.sub(lambda m: _fraction(m, language), text)
        text = _SLASHED.sub(lambda m: _with_whole(m[1], m[2], m[3], language) if int(m[2]) < int(m[3]) else m[0], text)
        squared, cubed, to_the = _POWERS[language]
        known = {"2": squared, "3": cubed}
        text = _SUPERSCRIPT.sub(lambda m: f" {known.get(n := m[1].translate(_SUPERSCRIPTS), f'{to_the} {n}')} ", text)
        text = _NEGATIVE.sub(f" {_MINUS[language]} ", text)
        text = _RANGE.sub(f" {_TO[language]} ", text)
        return text
    # What NFKC would make of 3½ and 10² are 31⁄2 and 102.
    return _SUPERSCRIPT.sub(lambda m: f" {m[1].translate(_SUPERSCRIPTS)} ", _FRACTION.sub(lambda m: _plainly(m, language), text))


@cache
def _unit_pattern(language: str) -> regex.Pattern[str]:
    units = "|".join(regex.escape(unit) for unit in sorted(_UNITS[language], key=len, reverse=True))
    # Not behind a currency: £2.5m are millions. Nor 1990s: seconds stand behind a space.
    between = r"(?:[ \u00a0\u202f]|(?!s\b)|(?=sec))"
    return regex.compile(rf"(?<![{_CURRENCY}\d.,\p{{L}}])(\d[\d.,]*[{_VULGAR}]?|[{_VULGAR}]){between}({units})(?![\p{{L}}\d²³/])")


def _of(named: str, number: str) -> str:
    """What several of something are called, or one: "feet|foot"; without a bar one of it has no s."""
    many, _, one = named.partition("|")
    return many if number != "1" and number not in _VULGAR else one or (many.removesuffix("s") if many[-1:] == "s" else many)


def _plainly(match: regex.Match[str], language: str) -> str:
    """A fraction in its numbers, in the order in which the language says them."""
    upper, lower = match[2], match[3]
    if match[4]:
        upper, _, lower = unicodedata.normalize("NFKC", match[4]).partition("⁄")
    whole = match[1] or ""
    if language in ("zh", "yue", "ja"):
        of, joint = ("分の", "と") if language == "ja" else ("分之", "又")
        return f"{whole}{joint if whole else ''}{lower}{of}{upper}"
    return f" {whole} {upper} {lower} "


def _fraction(match: regex.Match[str], language: str) -> str:
    upper, lower = match[2], match[3]
    if match[4]:
        upper, _, lower = unicodedata.normalize("NFKC", match[4]).partition("⁄")
    return _with_whole(match[1], upper, lower, language)


def _with_whole(whole: str | None, upper: str, lower: str, language: str) -> str:
    """A fraction with the number before it: 2 3/4 is two and three quarters."""
    part = _part(int(upper), int(lower), language)
    if not whole:
        return f" {part} "
    between = _FRACTIONS[language][0]
    if language == "en" and upper == "1":
        part = f"a {part.removeprefix('one ')}" if lower == "2" else part
    if language in ("fr", "es") and upper == "1":
        part = part.removeprefix(f"{_ONE[language]} ")
    return f" {whole} {between} {part} "


def _part(upper: int, lower: int, language: str) -> str:
    named = _FRACTIONS[language][1].get(lower)
    if named is None:
        return f"{upper} {lower}" if language != "en" else f"{upper} over {lower}"
    return f"{_ONE[language] if upper == 1 else upper} {_of(named, str(upper))}"


def _english(text: str) -> str:
    """English without diacritics, with what is particular to its way of writing."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = _RULER.sub(lambda m: f"{m[1]} the {_in_words(_roman(m[2]), 'en', 'ordinal')}", text)
    text = _ROMAN.sub(lambda m: str(_roman(m[0])), text)
    text = _NUMBERED.sub("number ", text)
    text = _ABBREVIATION.sub(lambda m: _SHORT[m[1].lower()], text)
    text = _TIME.sub(lambda m: f"{m[1]} {_minutes(m[2])}", text)
    text = _SCALED.sub(lambda m: f"{m[1]} {_SCALES[m[2].lower()]}", text)
    text = _CENTS.sub(_cents, text)
    text = _SHORT_DECADE.sub(lambda m: regex.sub("ys$", "ies", _in_words(int(m[1]), "en", "cardinal") + "s"), text)
    return _DECADE.sub(lambda m: regex.sub("ys$", "ies", _in_words(int(m[1]), "en", "year") + "s"), text)


def _roman(letters: str) -> int:
    """XIV is 14: a letter before a larger one counts against it."""
    values = [_ROMAN_DIGITS[letter] for letter in letters]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))


def _minutes(digits: str) -> str:
    if digits == "00":
        return "o'clock"
    return f"oh {digits[1]}" if digits[0] == "0" else digits


def _cents(match: regex.Match[str]) -> str:
    sign, whole, rest = match[1], match[2], match[3]
    if rest == "00":
        return f"{sign}{whole}"
    named = "pence|penny" if sign == "£" else "cents|cent"
    return f"{sign}{whole} and {int(rest)} {_of(named, str(int(rest)))}"


def _signs(text: str, signs: dict[str, str]) -> str:
    for sign, named in signs.items():
        if sign not in text:
            continue
        many, _, one = named.partition("|")
        if "%0" not in many:
            text = text.replace(sign, f" {many} ")
            continue
        mark = regex.escape(sign)

        def said(match: regex.Match[str], many: str = many, one: str = one) -> str:
            return f" {(one if one and match[1] == '1' else many).replace('%0', match[1])} "

        if sign in _CURRENCY:
            text = regex.sub(rf"{mark}\s?({_AMOUNT})", said, text)
        text = regex.sub(rf"({_AMOUNT})\s?{mark}", said, text)
        text = text.replace(sign, f" {many.replace('%0', '').strip()} ")
    return text


def _number(digits: str, language: str) -> str:
    plain = digits.replace(",", "") if language in _POINT_LANGUAGES else digits.replace(".", "").replace(",", ".")
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
