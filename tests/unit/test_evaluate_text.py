"""How texts are compared: what is written differently but said alike is no error, everything else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import num2words

from voicekit.evaluate.text import character_error_rate, same_answer, spoken_words, text_errors, wer, word_errors

LANGUAGES = ("en", "de", "es", "fr", "zh", "ja", "hi", "th")
PLAIN = "cat dog river green seven walks under the bridge slowly tomorrow".split()


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
        ("one two three", "one two tree", 1, 3),
        ("one two three four five", "nine nine nine", 5, 5),
        ("in 1984", "in 1985", 1, 4),
        ("fifteen", "fifty", 1, 1),
    ],
)
def test_word_errors(reference: str, hypothesis: str, errors: int, words: int) -> None:
    assert word_errors(reference, hypothesis) == (errors, words)
    assert wer(reference, hypothesis) == errors / max(words, 1)


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [
        ("It's 12.", "it is twelve"),
        ("in 1984", "in nineteen eighty-four"),
        ("in 1984", "in one thousand nine hundred and eighty four"),
        ("in 2005", "in twenty oh five"),
        ("150 men", "a hundred and fifty men"),
        ("1,234", "one thousand two hundred thirty-four"),
        ("the 1990s", "the nineteen nineties"),
        ("$5", "five dollars"),
        ("$2.50", "two dollars and fifty cents"),
        ("£3 million", "three million pounds"),
        ("the 3rd", "the third"),
        ("50 %", "fifty per cent"),
        ("at 2:30", "at two thirty"),
        ("at 12:00", "at twelve o'clock"),
        ("nine plus eight", "9 + 8"),
        ("the grey colour", "the gray color"),
        ("I won't, you can't", "I will not you can not"),
        ("a well-known man", "a well known man"),
        ("uh I, hmm, see", "I see"),
        ("a naïve café", "a naive cafe"),
        ("he (the king) said", "he the king said"),
        ("Don\u2019t!", "don't"),
    ],
)
def test_english_said_alike_is_no_error(reference: str, hypothesis: str) -> None:
    assert text_errors(reference, hypothesis)[::2] == (0, 0)
    assert text_errors(hypothesis, reference)[::2] == (0, 0)


@pytest.mark.parametrize(
    ("language", "reference", "hypothesis"),
    [
        ("de", "21 Hunde für 5 €", "einundzwanzig hunde für fünf Euro"),
        ("de", "im Jahr 1984", "im Jahr neunzehnhundertvierundachtzig"),
        ("de", "die Straße, äh, dort", "die Strasse dort"),
        ("fr", "il y a 97 chats", "Il y a quatre-vingt-dix-sept chats."),
        ("fr", "L’homme, le 1er mai", "l'homme le premier mai"),
        ("fr", "1,5 litre", "un virgule cinq litre"),
        ("es", "21 perros en 1984", "¡Veintiún perros en mil novecientos ochenta y cuatro!"),
        ("zh", "我有十二个苹果。", "我有12个苹果"),
        ("zh", "二零二四年，百分之五十", "2024年50%"),
        ("zh", "漢語學習", "汉语学习"),
        ("zh", "ＡＢＣ１２３", "abc 123"),
        ("ja", "千九百八十四年、十二時", "1984年12時"),
        ("ja", "カタカナです。", "ｶﾀｶﾅ です"),
        ("hi", "१२ लोग", "12 लोग"),
        ("ko", "안녕하세요", "안녕하세요"),
    ],
)
def test_other_languages_said_alike_are_no_error(language: str, reference: str, hypothesis: str) -> None:
    assert text_errors(reference, hypothesis, language)[::2] == (0, 0)


@pytest.mark.parametrize(
    ("language", "reference", "hypothesis", "found"),
    [
        ("zh", "今天天气很好", "今天天七很好", (1, 6, 1, 6)),
        ("zh", "我用 iPhone 工作", "我用工作", (1, 5, 8, 12)),
        ("ja", "千葉に行きます", "千葉にいきます", (1, 7, 1, 7)),
        ("th", "สวัสดี", "สวัสดิ", (1, 4, 1, 6)),
        ("hi", "नमस्ते दुनिया", "नमस्ते", (1, 2, 7, 13)),
        ("es", "el niño", "el nino", (1, 2, 1, 7)),
        ("fr", "peut-être", "peut être là", (1, 2, 3, 9)),
    ],
)
def test_errors_in_other_languages(language: str, reference: str, hypothesis: str, found: tuple[int, int, int, int]) -> None:
    """Without spaces between words a word is a character; a vowel belongs to its consonant, but is a character of its own."""
    assert text_errors(reference, hypothesis, language) == found


def test_one_call_serves_both_rates() -> None:
    found = text_errors("the sky is blue", "the sky is glue")
    assert found == (1, 4, 1, 15)
    assert (found.wer, found.cer) == (1 / 4, 1 / 15)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_a_text_equals_itself_in_any_writing(text: str, language: str) -> None:
    found = text_errors(text, f"  {text.replace(' ', '  ')} ", language)
    assert found.word_errors == found.character_errors == 0
    assert found.num_characters >= found.num_words >= 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PLAIN), max_size=12), st.lists(st.sampled_from(PLAIN), max_size=12), st.sampled_from(LANGUAGES))
def test_errors_of_plain_words_are_their_edit_distance(said: list[str], heard: list[str], language: str) -> None:
    distance = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        before, distance[0] = distance[0], i
        for j, other in enumerate(heard, start=1):
            before, distance[j] = distance[j], min(distance[j] + 1, distance[j - 1] + 1, before + (word != other))
    assert word_errors(" ".join(said), " ".join(heard), language) == (distance[-1], len(said))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999_999), st.sampled_from(("en", "de", "es", "fr", "ja")))
def test_a_number_is_the_same_in_digits_and_in_words(number: int, language: str) -> None:
    assert text_errors(f"x {number} y", f"x {num2words(number, lang=language)} y", language).word_errors == 0


def test_words_are_compared_without_case_and_marks() -> None:
    assert spoken_words("\u201cDon\u2019t!\u201d she said \u2013 twice.") == ["don't", "she", "said", "twice"]
    assert same_answer("Nine.", "nine") and same_answer("the  capital is Rome", "The capital is Rome.")
    assert same_answer("12", "twelve") and same_answer("21", "einundzwanzig", "de")
    assert not same_answer("nine", "nineteen") and not same_answer("", "nine")
    assert not same_answer("it's red", "it is red") and not same_answer("uh nine", "nine") and not same_answer("grey", "gray")


@pytest.mark.parametrize(
    ("truth", "heard", "rate"),
    [
        ("five", "five", 0.0),
        ("Five.", "five", 0.0),
        ("five", "fine", 0.25),
        ("twenty", "twinty", 1 / 6),
        ("ab", "", 1.0),
        ("ab", "xabx", 1.0),
        ("it's so", "its so", 2 / 8),
        ("It is 5!", "it is five", 0.0),
        ("", "", 0.0),
        ("", "a", 1.0),
    ],
)
def test_character_error_rate(truth: str, heard: str, rate: float) -> None:
    assert character_error_rate(truth, heard) == pytest.approx(rate)
