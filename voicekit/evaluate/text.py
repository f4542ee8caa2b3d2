"""How far a text that was heard is from the one that was said: word and character errors after normalisation.

What is written differently but said alike is no error: numbers in digits or words, contractions, British and American
spelling, hyphens, fillers ("uh"), case, punctuation. English goes through Whisper's normaliser (whisper-normalizer, MIT).
Both texts are treated the same way. In scripts without spaces between words, a word is a character.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import regex

from voicekit.records import TextErrors
from voicekit.verbalization import UNSPACED, WORD, primary, simplified, verbalized

if TYPE_CHECKING:
    from whisper_normalizer.english import EnglishNumberNormalizer, EnglishTextNormalizer

# A character with its marks where words are not spaced, else a run of letters; digits that could not be spelled, one by one.
_UNIT = regex.compile(rf"{UNSPACED}\p{{M}}*|(?:(?!{UNSPACED})[\p{{L}}\p{{M}}])+|\p{{Nd}}")
_UNSPACED_PAIR = regex.compile(rf"(?<={UNSPACED}\p{{M}}*|\d) (?={UNSPACED}|\d)")
_BRACKETS = str.maketrans("()[]{}<>", "        ")
_A_HUNDRED = regex.compile(r"\ba (?=hundred|thousand|million|billion)")
_OCLOCK = regex.compile(r"\bo ?'clock\b")
_FILLERS = {
    "en": frozenset("uhm er erm hm huh".split()),  # beside those that Whisper's normaliser knows
    "de": frozenset("äh ähm hm".split()),
    "es": frozenset("eh em".split()),
    "fr": frozenset("euh heu hum".split()),
}
# Number words that text2num turns into digits; it knows more languages than are tested here.
_NUMBER_LANGUAGES = ("de", "es", "fr", "it", "nl", "pt")
_CHINESE_NUMERALS = str.maketrans("億萬兩〇", "亿万两零")
_CHINESE_NUMBER = regex.compile("[零一二两三四五六七八九十百千万亿]+")


def text_errors(reference: str, hypothesis: str, language: str = "en") -> TextErrors:
    """The errors of what was heard (`hypothesis`) against what was said.

    Texts are compared with number words as they are, and with each number in one reading only ("twenty oh five" and "2005"
    are the same year); the lower count holds. Lengths are those of the reference with its number words as they are.
    """
    said, heard = normalized_words(reference, language), normalized_words(hypothesis, language)
    found = _compared(said, heard)
    if found.word_errors:
        again = _compared(_one_reading(said, language), _one_reading(heard, language))
        if again.word_errors < found.word_errors:
            characters = min(found.character_errors, again.character_errors)
            return TextErrors(again.word_errors, found.num_words, characters, found.num_characters)
    return found


def word_errors(reference: str, hypothesis: str, language: str = "en") -> tuple[int, int]:
    """(substitutions + deletions + insertions, words in the reference)."""
    return text_errors(reference, hypothesis, language)[:2]


def wer(reference: str, hypothesis: str, language: str = "en") -> float:
    """Word error rate of one pair, 0 when both are empty; it can exceed 1."""
    return text_errors(reference, hypothesis, language).wer


def character_error_rate(reference: str, hypothesis: str, language: str = "en") -> float:
    """Character error rate of one pair, 0 when both are empty; it can exceed 1."""
    return text_errors(reference, hypothesis, language).cer


def spoken_words(text: str, language: str = "en") -> list[str]:
    """Lower-case words, apostrophes inside kept, numbers spelled out; "It's 12." gives it's, twelve."""
    return WORD.findall(unicodedata.normalize("NFC", verbalized(text, language)).lower())


def same_answer(given: str, right: str, language: str = "en") -> bool:
    """Exact match of the words: case, punctuation and spacing do not matter, anything else does."""
    return spoken_words(given, language) == spoken_words(right, language)


def normalized_words(text: str, language: str = "en") -> list[str]:
    """The words to compare, without fillers, numbers spelled out, contractions opened; characters where words are not spaced."""
    spoken = primary(language)
    # What stands in brackets is said, too.
    text = _without_controls(verbalized(text, language)).translate(_BRACKETS).lower()
    text = _english()(_OCLOCK.sub("oclock", text)) if spoken == "en" else unicodedata.normalize("NFKC", text).casefold()
    text = simplified(text, language)
    fillers = _FILLERS.get(spoken, frozenset())
    return [word for word in _UNIT.findall(text) if word not in fillers]


def _compared(said: list[str], heard: list[str]) -> TextErrors:
    written, found = _joined(said), _joined(heard)
    if not said:
        return TextErrors(len(heard), 0, len(found), 0)
    import jiwer

    words, characters = jiwer.process_words(" ".join(said), " ".join(heard)), jiwer.process_characters(written, found)
    return TextErrors(_sum(words), len(said), _sum(characters), len(written))


def _sum(found: object) -> int:
    return sum(getattr(found, kind) for kind in ("substitutions", "deletions", "insertions"))


def _joined(words: list[str]) -> str:
    """Words with single spaces, characters of unspaced scripts without."""
    return _UNSPACED_PAIR.sub("", " ".join(words))


def _one_reading(words: list[str], language: str) -> list[str]:
    """Words with each number in one reading: number words become digits, and these words again."""
    spoken, text = primary(language), _joined(words)
    if spoken == "en":
        text = _english_numbers()(_A_HUNDRED.sub("one ", text))
    elif spoken in _NUMBER_LANGUAGES:
        from text_to_num import alpha2digit

        text = alpha2digit(text.replace("veintiún", "veintiuno"), spoken, threshold=0)
    elif spoken in ("zh", "yue", "ja"):
        from whisper_normalizer.international import ChineseTextNormalizer

        digits = ChineseTextNormalizer()
        return _UNIT.findall(_CHINESE_NUMBER.sub(lambda m: digits(m[0]), text.translate(_CHINESE_NUMERALS)))
    return normalized_words(text, language)


def _without_controls(text: str) -> str:
    """Without invisible signs such as the zero-width joiner."""
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


@cache
def _english() -> EnglishTextNormalizer:
    """Whisper's normaliser of English with number words left as they are."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalizer = EnglishTextNormalizer()
    normalizer.standardize_numbers = str
    return normalizer


@cache
def _english_numbers() -> EnglishNumberNormalizer:
    from whisper_normalizer.english import EnglishNumberNormalizer

    return EnglishNumberNormalizer()
