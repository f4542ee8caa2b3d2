"""Records survive JSON lines exactly; what does not fit a type is refused by name."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.makers import clip, dataset, evaluation, recording, run, voice
from voicekit import manifest
from voicekit.errors import InputError
from voicekit.records import Clip, Dataset, Evaluation, Grades, Recording, TrainingRun, Transcript, Voice, Word


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Everything:
    name: str
    count: int
    share: float
    flag: bool
    colour: Colour
    pair: tuple[str, float]
    many: tuple[Word, ...]
    note: str | None = None


@pytest.mark.parametrize(
    "record",
    [
        recording("ä b/\u2028.wav"),
        clip(transcript=Transcript("“Tea”, said she.", (Word("Tea", 0.1, 0.30000000000000004, 0.9),), "script")),
        dataset(),
        run(),
        evaluation(),
        voice(),
    ],
)
def test_every_record_makes_the_round_trip(record: object, tmp_path: Path) -> None:
    assert manifest.from_json(type(record), manifest.to_json(record)) == record
    assert "\n" not in manifest.to_json(record)
    manifest.write_records(tmp_path / "r.jsonl", [record, record])
    assert manifest.read_records(tmp_path / "r.jsonl", type(record)) == (record, record)
    manifest.write_record(tmp_path / "r.json", record)
    assert manifest.read_record(tmp_path / "r.json", type(record)) == record


@settings(max_examples=50)
@given(
    st.builds(
        Everything,
        name=st.text(),
        count=st.integers(),
        share=st.floats(allow_nan=False, allow_infinity=False),
        flag=st.booleans(),
        colour=st.just(Colour.RED),
        pair=st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
        many=st.lists(st.builds(Word, st.text(), st.floats(0, 9), st.floats(0, 9))).map(tuple),
        note=st.none() | st.text(),
    )
)
def test_any_value_makes_the_round_trip(record: Everything) -> None:
    assert manifest.from_json(Everything, manifest.to_json(record)) == record


def test_file_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    odd = recording(path=b"caf\xe9.wav".decode("utf-8", "surrogateescape"))
    manifest.write_records(tmp_path / "r.jsonl", [odd])
    assert manifest.read_records(tmp_path / "r.jsonl", Recording) == (odd,)


def test_not_measured_is_null_and_comes_back_as_nan() -> None:
    line = manifest.to_json(Grades(math.nan, -20.0, 0.0, 2.0, 1.0))
    assert '"snr_db": null' in line
    assert math.isnan(manifest.from_json(Grades, line).snr_db)


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        (Recording, ('"path"', '"paht"'), "unknown key 'paht' in Recording"),
        (Recording, ('"channels": 1, ', ""), "key 'channels' is missing in Recording"),
        (Recording, ('"channels": 1', '"channels": "1"'), "Recording.channels is '1', not int"),
        (Recording, ('"channels": 1', '"channels": true'), "Recording.channels is True, not int"),
        (Clip, ('"accepted"', '"maybe"'), "Clip.verdict is 'maybe', not one of accepted, rejected"),
        (Clip, ('"words": []', '"words": [3]'), "Clip.transcript.words[0] is not an object"),
        (Recording, ("{", "{{"), "Expecting property name"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind: type, change: tuple[str, str], problem: str) -> None:
    line = manifest.to_json({Recording: recording(), Clip: clip()}[kind])
    assert change[0] in line
    with pytest.raises(InputError) as raised:
        manifest.from_json(kind, line.replace(*change))
    assert problem in str(raised.value)


def test_an_error_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    path.write_text(manifest.to_json(clip()) + "\n" + "{}\n")
    with pytest.raises(InputError, match=r"clips\.jsonl, line 2: .*key 'id' is missing"):
        manifest.read_records(path, Clip)
    with pytest.raises(InputError, match=r"no file .*other\.jsonl"):
        manifest.read_records(tmp_path / "other.jsonl", Clip)


def test_a_journal_forgets_only_a_line_cut_off_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "j" / "journal.jsonl"
    assert manifest.read_journal(path, Recording) == ()
    first, second, third = recording("a.wav"), recording("b.wav"), recording("c.wav")
    manifest.append_record(path, first)
    manifest.append_record(path, second)
    path.write_bytes(path.read_bytes()[:-5])
    assert manifest.read_journal(path, Recording) == (first,)
    manifest.append_record(path, third)
    assert manifest.read_journal(path, Recording) == (first, third)


def test_a_dataset_evaluation_run_and_voice_keep_their_types() -> None:
    for kind, record in ((Dataset, dataset()), (Evaluation, evaluation()), (TrainingRun, run()), (Voice, voice())):
        assert type(manifest.from_json(kind, manifest.to_json(record))) is kind
