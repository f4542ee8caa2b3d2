"""Laws of how people ask nano: free wording, follow-ups, and what lies outside its world."""

from random import Random

import pytest

from recipes.nano.asking import ask, fill, follow, slip, typed, with_digits, wordings
from recipes.nano.outside import UNKNOWN, outside, unknown_answer, unknown_follow_up
from recipes.nano.world import Fact, facts, questions, split

pytestmark = pytest.mark.unit
OPEN_TEXT = ("the prisoner was taken to the court.", "in the year of his death he was a rich man.")


def _fact(key: str) -> Fact:
    return next(fact for fact in facts() if fact.key == key)


def _free() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for fact in facts():
        for pattern in (*wordings()[fact.kind.name].ask, *fact.kind.patterns):
            found.setdefault(fill(pattern, fact.row), set()).add(fact.answer)
    return found


def test_every_kind_has_wordings_of_its_own_and_no_question_has_two_answers() -> None:
    assert set(wordings()) == {fact.kind.name for fact in facts()}
    free = _free()
    assert len(free) > 4 * len(facts())
    assert all(len(answers) == 1 for answers in free.values())


def test_training_never_meets_a_held_out_pattern() -> None:
    unseen = {question.text for question in questions() if question.unseen_pattern}
    asked = {fill(pattern, fact.row) for fact in facts() for pattern in wordings()[fact.kind.name].ask}
    shared = unseen & asked
    assert not shared, sorted(shared)[:5]


def test_held_out_questions_are_no_wordings() -> None:
    _, dev, test = split()
    asked = {fill(pattern, fact.row) for fact in facts() for pattern in wordings()[fact.kind.name].ask}
    assert not {question.text for question in (*dev, *test)} & asked


def test_fields_stand_bare_and_in_the_plural() -> None:
    row = _fact("sound: a cow: moos").row
    assert fill("what sound does a baby {b0} make, or {p0}?", row) == "what sound does a baby cow make, or cows?"
    assert fill("how many {p0}?", ("a wolf",)) == "how many wolves?"
    assert fill("{p0}, {p0}", ("a fisherman",)) == "fishermen, fishermen"


def test_digits_and_signs_stand_for_number_words() -> None:
    written = {with_digits("what is twenty four plus six?", Random(seed)) for seed in range(40)}
    assert {"what is 24 plus 6?", "what is 24 + 6?", "what is 24+6?"} <= written
    assert with_digits("which is bigger?", Random(0)) == "which is bigger?"


def test_a_slip_changes_one_long_word_a_little() -> None:
    for seed in range(200):
        before, after = "what is the capital of france?".split(), slip("what is the capital of france?", Random(seed)).split()
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(changed) <= 1
        assert all(len(a) >= 4 and abs(len(a) - len(b)) <= 1 and a[0] == b[0] for a, b in changed)


def test_typing_is_decided_by_the_seed() -> None:
    fact = _fact("capital: italy: rome")
    assert ask(fact, Random(3)) == ask(fact, Random(3))
    assert len({ask(fact, Random(seed)) for seed in range(100)}) > 60
    assert typed("hello.", Random(1), talk=True) == typed("hello.", Random(1), talk=True)


def test_a_follow_up_asks_for_another_fact_of_its_kind_or_about_the_same_thing() -> None:
    random, seen = Random(0), 0
    for fact in facts():
        then = follow(fact, random)
        if then is None:
            continue
        seen += 1
        assert then[1] != fact
        known, following = wordings()[fact.kind.name], wordings()[then[1].kind.name]
        alike = known.group == following.group and all(fact.row[n] == then[1].row[n] for n in known.keeps)
        assert alike or then[1].row[0] == fact.row[0]
    assert seen > 0.8 * len(facts())


def test_nothing_outside_is_a_question_that_nano_can_answer() -> None:
    random, known = Random(0), {text.rstrip(".?") for text in _free()}
    asked = [outside(random, OPEN_TEXT) for _ in range(20_000)]
    answerable = {text for text in asked if text.rstrip(".?") in known}
    assert not answerable, sorted(answerable)[:10]
    assert len(set(asked)) > 15_000


def test_not_knowing_is_said_in_a_few_ways() -> None:
    random = Random(0)
    assert {unknown_answer(random) for _ in range(300)} == set(UNKNOWN)
    assert not {fact.answer for fact in facts()} & set(UNKNOWN)


def test_an_unknown_follow_up_names_something_else() -> None:
    fact, random = _fact("capital: france: paris"), Random(1)
    known = {f.row[0] for f in facts() if f.kind.name == "capital"}
    for _ in range(50):
        asked = unknown_follow_up(fact.kind, random)
        assert asked
        assert not any(asked.rstrip(".?").endswith(f" {country}") for country in known)
