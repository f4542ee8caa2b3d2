"""Laws of what Kokoro reads for nano."""

from collections import Counter

import pytest

from recipes.nano.natural_sets import ANSWER_VOICES, SETS, SPEAKERS, TEST_PEOPLE, answers, open_lines, spoken_questions, words
from recipes.nano.outside import UNKNOWN
from recipes.nano.text import ALPHABET
from recipes.nano.world import facts, split, vocabulary

pytestmark = pytest.mark.unit
PACKS = (*SPEAKERS.values(), *TEST_PEOPLE, "af_nicole", "ef_dora", "jm_kumo")
SENTENCES = [f"This is sentence number {n}, and it was spoken in {1000 + n}." for n in range(400)]


@pytest.mark.parametrize("name", SETS)
def test_sets_are_deterministic_and_never_use_a_test_voice(name: str) -> None:
    made = SETS[name](SENTENCES, PACKS)
    assert made == SETS[name](SENTENCES, PACKS)
    assert not {pack for line in made for pack, _ in line.mixture} & set(TEST_PEOPLE)
    assert all(sum(weight for _, weight in line.mixture) == pytest.approx(1.0) for line in made)
    assert all(line.text and set(line.text) <= ALPHABET for line in made)


def test_every_answer_is_said_by_several_speakers_and_all_speak_equally_often() -> None:
    made = answers(SENTENCES, PACKS)
    spoken = Counter(line.text for line in made)
    assert set(spoken) == {fact.answer for fact in facts()} | set(UNKNOWN)
    assert all(count == (len(SPEAKERS) if text in UNKNOWN else ANSWER_VOICES) for text, count in spoken.items())
    assert len({(line.text, line.speaker) for line in made}) == len(made)
    heard = Counter(line.speaker for line in made)
    assert set(heard) == set(SPEAKERS) and max(heard.values()) - min(heard.values()) <= 2


def test_spoken_questions_keep_to_the_training_part() -> None:
    _, dev, test = split()
    assert not {question.text for question in (*dev, *test)} & {line.text for line in spoken_questions(SENTENCES, PACKS)}


def test_every_word_of_the_world_is_said_alone() -> None:
    assert {line.text.rstrip(".") for line in words(SENTENCES, PACKS)} == {word for word in vocabulary() if len(word) > 1}


def test_open_text_is_read_in_many_voices() -> None:
    made = open_lines(SENTENCES, PACKS)
    assert len({line.text for line in made}) == len(made) and len({line.voice for line in made}) > 100
