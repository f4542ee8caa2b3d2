import pytest

from voicekit.evaluate.text import character_error_rate, same_answer, spoken_words, wer, word_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "words"),
    [
        ("the sky is blue", "the sky is blue", 0, 4),
        ("The sky, is BLUE.", "the sky is blue", 0, 4),
        ("the sky is blue", "the sky was blue", 1, 4),
        ("the sky is blue", "sky is blue", 1, 4),
        ("the sky is blue", "the the sky is blue now", 2, 4),
        ("the sky is blue", "", 4, 4),
        ("", "three words heard", 3, 0),
        ("", "", 0, 0),
        ("it's 12 o'clock", "it's twelve o'clock", 0, 3),
    ],
)
def test_word_errors(reference: str, hypothesis: str, errors: int, words: int) -> None:
    assert word_errors(reference, hypothesis) == (errors, words)
    assert wer(reference, hypothesis) == errors / max(words, 1)


def test_words_are_compared_without_case_and_marks() -> None:
    assert spoken_words("\u201cDon\u2019t!\u201d she said \u2013 twice.") == ["don't", "she", "said", "twice"]
    assert same_answer("Nine.", "nine") and same_answer("the  capital is Rome", "The capital is Rome.")
    assert not same_answer("nine", "nineteen") and not same_answer("", "nine")


@pytest.mark.parametrize(
    ("truth", "heard", "rate"),
    [
        ("five", "five", 0.0),
        ("Five.", "five", 0.0),
        ("five", "fine", 0.25),
        ("ab", "", 1.0),
        ("ab", "xabx", 1.0),
        ("it's so", "its so", 1 / 7),
        ("It is 5!", "it is five", 0.0),
        ("", "", 0.0),
        ("", "a", 1.0),
    ],
)
def test_character_error_rate(truth: str, heard: str, rate: float) -> None:
    assert character_error_rate(truth, heard) == pytest.approx(rate)
