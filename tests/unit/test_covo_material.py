"""Questions and rehearsal dialogues of a base: read by split, refused by line."""

import gzip
import json
from pathlib import Path

import pytest

from voicekit.covo.material import read_material
from voicekit.errors import BaseModelError
from voicekit.records import Question, Turn


def test_questions_go_to_their_split_and_dialogues_keep_their_speech(tmp_path: Path) -> None:
    rows = [{"split": s, "text": f"{s}?", "answer": s, "domain": "d"} for s in ("test", "train", "dev", "train")]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    turns = [{"role": "user", "text": "hi"}, {"role": "assistant", "text": "hello", "speech": [1, 2]}]
    (tmp_path / "rehearsal.jsonl.gz").write_bytes(gzip.compress(json.dumps({"speaker": "low", "turns": turns}).encode()))
    material = read_material(tmp_path, num_codes=3)
    assert material.train == (Question("train?", "train", "d"),) * 2
    assert material.dev == (Question("dev?", "dev", "d"),) and material.test == (Question("test?", "test", "d"),)
    assert material.rehearsal == (("low", (Turn("user", "hi"), Turn("assistant", "hello", speech=(1, 2)))),)
    with pytest.raises(BaseModelError, match=r"Line 1 of .*rehearsal.*codebook"):
        read_material(tmp_path, num_codes=2)


def test_a_base_without_material_has_none(tmp_path: Path) -> None:
    material = read_material(tmp_path, 8)
    assert not (material.train or material.dev or material.test or material.rehearsal)


@pytest.mark.parametrize("line", ['{"split": "train"}', '{"split": "other", "text": "a", "answer": "b"}', "[1]"])
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "questions.jsonl").write_text(f'{{"split": "dev", "text": "a", "answer": "b"}}\n{line}\n')
    with pytest.raises(BaseModelError, match=r"Line 2 of .*questions\.jsonl"):
        read_material(tmp_path, 8)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"{no json"), gzip.compress(b"{}" * 99)[:15]],
    ids=["no gzip", "no JSON", "cut off"],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rehearsal.jsonl.gz").write_bytes(content)
    with pytest.raises(BaseModelError, match=r"rehearsal\.jsonl\.gz cannot be read"):
        read_material(tmp_path, 8)
