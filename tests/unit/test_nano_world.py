"""Laws of nano's closed world and of the voices it is spoken in."""

from collections import Counter, defaultdict
from random import Random

import pytest

from recipes.nano.sets import SETS, jobs
from recipes.nano.text import ALPHABET
from recipes.nano.voices import HELDOUT, NAMED, default_female, random_train_voice
from recipes.nano.world import SEEN_PATTERNS, facts, narratives, questions, split, vocabulary

pytestmark = pytest.mark.unit
SENTENCES = [f"This is sentence number {n}, and it was spoken in {1000 + n}." for n in range(1_600)]


def test_a_fact_has_one_answer_and_a_question_one_fact() -> None:
    assert len({fact.key for fact in facts()}) == len(facts())
    assert len({fact.answer for fact in facts()}) == len(facts())
    asked = defaultdict(set)
    for question in questions():
        asked[question.text].add(question.fact.answer)
    assert all(len(answers) == 1 for answers in asked.values())


def test_the_world_has_the_planned_size() -> None:
    assert 1_100 <= len(facts()) <= 1_400
    assert len(vocabulary()) <= 800
    assert len(questions()) == len(facts()) * (SEEN_PATTERNS + 1)
    assert all(2 <= len(fact.answer.split()) <= 10 for fact in facts())


def test_weights_make_domains_equally_likely() -> None:
    shares: dict[str, float] = defaultdict(float)
    for fact in facts():
        shares[fact.domain] += fact.weight
    assert max(shares.values()) == pytest.approx(min(shares.values()))


def test_all_text_keeps_to_the_alphabet() -> None:
    texts = [question.text for question in questions()] + [fact.answer for fact in facts()] + list(narratives(1, 300))
    assert all(set(text) <= ALPHABET and text == " ".join(text.split()) for text in texts)
    assert all(text[-1] in ".?" for text in texts)


def test_splits_are_disjoint_and_leave_every_fact_trained() -> None:
    train, dev, test = split(3)
    pairs = [{(question.fact.key, question.phrasing) for question in part} for part in (train, dev, test)]
    assert not (pairs[0] & pairs[1] or pairs[0] & pairs[2] or pairs[1] & pairs[2])
    trained = Counter(question.fact.key for question in train)
    assert min(trained[fact.key] for fact in facts()) >= 4
    assert all(250 <= len([q for q in part if not q.unseen_pattern]) <= 350 for part in (dev, test))


def test_the_unseen_patterns_are_in_the_test_part_only() -> None:
    train, dev, test = split(3)
    assert not any(question.unseen_pattern for question in (*train, *dev))
    assert {q.fact.domain for q in test if q.unseen_pattern} == {fact.domain for fact in facts()}


def test_held_out_questions_use_trained_words() -> None:
    train, dev, test = split(0)
    known = {word.strip(".,?") for q in train for word in q.text.split()}
    assert {word.strip(".,?") for q in (*dev, *test) for word in q.text.split()} <= known


def test_splits_and_narratives_are_deterministic() -> None:
    assert split(1) == split(1)
    assert split(1) != split(2)
    assert narratives(5, 50) == narratives(5, 50)
    assert len(set(narratives(0, 3_000))) == 3_000
    assert all(5 <= len(text.split()) <= 14 for text in narratives(0, 500))


def test_held_out_bases_are_absent_from_training_voices() -> None:
    heldout = {voice.base for voice in HELDOUT}
    random = Random(0)
    trained = [*NAMED, *(random_train_voice(random) for _ in range(3_000))]
    assert {voice.base for voice in trained}.isdisjoint(heldout)
    assert all(voice.split == "train" for voice in trained)
    assert {"rms", "ked"} <= heldout and len(heldout) == 10


def test_named_voices() -> None:
    assert len(NAMED) == 32 == len({voice.name for voice in NAMED})
    assert all(voice.named and voice.name.isalpha() and voice.name.islower() for voice in NAMED)
    assert sum(voice.engine != "espeak" for voice in NAMED) >= 14
    assert (default_female.base, default_female.resample, default_female.pitch) == ("slt", 1.0, 1.0)


@pytest.mark.parametrize("name", sorted(SETS))
def test_sets_are_deterministic_and_keep_their_side(name: str) -> None:
    made = jobs(name, SENTENCES, scale=0.2)
    assert made == jobs(name, SENTENCES, scale=0.2)
    assert len({job.id for job in made}) == len(made)
    expected = "train" if name.endswith("_train") or name == "open_dev" else "heldout"
    assert {job.voice.split for job in made} == {expected}


def test_open_text_is_not_shared_between_sets() -> None:
    parts = [{job.text for job in jobs(name, SENTENCES)} for name in SETS if name.startswith("open_")]
    assert sum(map(len, parts)) == len(set().union(*parts))


def test_answers_are_spread_evenly_over_named_voices() -> None:
    made = jobs("answers_train", SENTENCES)
    spoken = Counter(job.text for job in made)
    heard = Counter(job.voice.name for job in made)
    assert set(spoken.values()) == {10}
    assert len({(job.text, job.voice.name) for job in made}) == len(made)
    assert max(heard.values()) - min(heard.values()) <= 10
