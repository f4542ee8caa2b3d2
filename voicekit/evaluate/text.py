"""Text as it is compared: words without case and punctuation, numbers spelled out."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_NUMBER = re.compile(r"\d+")


def spoken_words(text: str) -> list[str]:
    """Lower-case words, apostrophes inside kept, whole numbers as English words; "It's 12." gives it's, twelve."""
    text = unicodedata.normalize("NFC", text).replace("\u2019", "'").lower()
    if _NUMBER.search(text):
        from num2words import num2words

        text = _NUMBER.sub(lambda found: f" {num2words(int(found[0]))} ", text)
    return _WORD.findall(text)


def same_answer(given: str, right: str) -> bool:
    """Exact match of the words: case, punctuation and spacing do not matter, anything else does."""
    return spoken_words(given) == spoken_words(right)


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """(substitutions + deletions + insertions, words in the reference)."""
    said, heard = spoken_words(reference), spoken_words(hypothesis)
    if not said:
        return len(heard), 0
    import jiwer

    found = jiwer.process_words(" ".join(said), " ".join(heard))
    return found.substitutions + found.deletions + found.insertions, len(said)


def wer(reference: str, hypothesis: str) -> float:
    """Word error rate of one pair, 0 when both are empty; it can exceed 1."""
    errors, words = word_errors(reference, hypothesis)
    return errors / max(words, 1)


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Character error rate of the spoken words of one pair, 0 when both are empty; it can exceed 1."""
    said, heard = (" ".join(spoken_words(text)) for text in (reference, hypothesis))
    if not said:
        return float(len(heard) > 0)
    import jiwer

    return float(jiwer.cer(said, heard))
