"""Small decisions of the application."""

import re

import voicekit
from voicekit.app import _three
from voicekit.creation import code_revision
from voicekit.errors import NameTaken, VoicekitError, error_of
from voicekit.records import Question


def questions(*domains: str) -> list[Question]:
    return [Question(f"q{i}", "a", domain) for i, domain in enumerate(domains)]


def test_the_demo_asks_about_three_different_things() -> None:
    many = questions("a", "a", "b", "c", "c", "d", "e", "f")
    assert [q.domain for q in _three(many)] == ["a", "c", "e"]
    assert [q.text for q in _three(questions("a", "a", "b", "b"))] == ["q0", "q1", "q2"]
    assert [q.text for q in _three(questions("a", "b"))] == ["q0", "q1"]


def test_the_code_says_its_version_and_commit() -> None:
    assert re.fullmatch(rf"{re.escape(voicekit.__version__)}(\+[0-9a-f]{{12}})?", code_revision())


def test_an_error_that_travelled_as_words_is_the_same_error_again() -> None:
    again = error_of("name_taken", "Taken.", "Choose.")
    assert type(again) is NameTaken and (again.problem, again.remedy) == ("Taken.", "Choose.")
    assert type(error_of("never heard of", "x", "")) is VoicekitError
