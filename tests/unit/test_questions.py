"""A user's own questions: what is read, and which line is at fault."""

from pathlib import Path

import pytest

from voicekit.errors import InputError
from voicekit.questions import read_questions
from voicekit.records import Question


def test_json_lines_and_csv_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(
        '{"text": " what is up? ", "answer": "the sky"}\n\n{"text": "a", "answer": "b", "domain": "d", "split": "x"}\n'
    )
    (tmp_path / "q.csv").write_text('\ufefftext,answer,domain\nwhat is up?,the sky,\n"a",b,d\n', encoding="utf-8")
    expected = (Question("what is up?", "the sky"), Question("a", "b", "d"))
    assert read_questions(tmp_path / "q.jsonl") == expected
    assert read_questions(tmp_path / "q.csv") == expected


def test_text_is_normalised(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"text": "cafe\u0301", "answer": "x"}', encoding="utf-8")
    assert read_questions(tmp_path / "q.jsonl")[0].text == "caf\u00e9"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("q.jsonl", '{"text": "a", "answer": "b"}\n{"text": "a"}', "Line 2 .* no answer"),
        ("q.jsonl", '{"text": "a", "answer": "b"}\nnot json', "Line 2 .* not JSON"),
        ("q.jsonl", '["a", "b"]', "Line 1 .* not an object"),
        ("q.jsonl", "", "no questions"),
        ("q.csv", "question,reply\na,b\n", "no text"),
        ("q.csv", "text,answer\n", "no questions"),
        ("q.csv", "text,answer\na\n", "no answer"),
        ("absent.csv", None, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=says) as caught:
        read_questions(tmp_path / name)
    assert "text" in caught.value.remedy


def test_a_binary_file_is_no_question_file(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="cannot be read"):
        read_questions(tmp_path / "q.csv")
