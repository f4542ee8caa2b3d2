"""What is said about a dataset, and what to record next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.makers import clip, dataset
from voicekit.backends.phones import EnglishPhones
from voicekit.errors import RecordingsError, ScriptError
from voicekit.prepare.compare import compare
from voicekit.prepare.summary import PHONEMES_EN, Length, coverage, summarise, too_little
from voicekit.records import Clip, Dataset, Grades, Transcript, Verdict
from voicekit.specs import PrepareSpec

SOUNDS = {"see": "S IY".split(), "boy": "B OY".split(), "the": "DH AH".split()}


def clips(count: int, seconds: float = 5.0, text: str = "see the boy", **grades: float) -> list[Clip]:
    plain = clip(0).grades
    return [
        clip(i, duration_s=seconds, transcript=Transcript(text), grades=Grades(**{**vars(plain), **grades})) for i in range(count)
    ]


def rejected(number: int, reason: str) -> Clip:
    return clip(number, verdict=Verdict.REJECTED, reason=reason)


def test_usable_speech_reasons_and_lengths_are_counted() -> None:
    bad = [
        rejected(20, "clipped: 3.1 % of samples"),
        rejected(21, "clipped: 2.0 % of samples"),
        rejected(22, "the same recording as a.wav"),
        rejected(23, "the same recording as b.wav"),
        rejected(24, "another speaker"),
    ]
    found = summarise([*clips(3, 5.0), *clips(1, 1.5), *bad], PrepareSpec())
    assert (found.clips, found.accepted, found.usable_s, found.enough) == (9, 4, 16.5, False)
    assert [(r.reason, r.count, r.seconds) for r in found.rejected] == [
        ("clipped", 2, 4.0),
        ("the same recording as another", 2, 4.0),
        ("another speaker", 1, 2.0),
    ]
    assert found.rejected[0].example == "a.wav: clipped: 3.1 % of samples"
    assert found.lengths == (Length(2.0, 1), Length(4.0, 0), Length(6.0, 3)) and found.median_s == 5.0
    assert sum(row.count for row in found.lengths) == found.accepted


def test_phonemes_are_those_of_the_spoken_words() -> None:
    said = coverage(["See the boy, see!", "xqz"], "en", SOUNDS.get)
    assert {p: n for p, n in said.counts.items() if n} == {"S": 2, "IY": 2, "DH": 1, "AH": 1, "B": 1, "OY": 1}
    assert said.unknown == 1 and said.share == pytest.approx(6 / len(PHONEMES_EN))
    assert "S" in said.rare and said.rare.index("AA") < said.rare.index("B") < said.rare.index("S")


def test_english_words_sound_as_the_dictionary_says_or_as_they_are_spelled() -> None:
    sounds = EnglishPhones()
    assert sounds("measure") == "M EH ZH ER".split()
    assert sounds("shapeliness") is not None and sounds("müßig") is None
    said = coverage(
        ["A large fawn jumped quickly over the white azure zinc boxes, both oily and huge; she could hear children sing"],
        "en",
        sounds,
    )
    assert said.unknown == 0 and said.share > 0.85 and set(said.counts) == set(PHONEMES_EN)


def test_rejected_clips_cover_nothing() -> None:
    found = summarise([rejected(0, "clipped: 9 %")], PrepareSpec(), SOUNDS.get)
    assert found.coverage is not None and found.coverage.share == 0.0
    assert found.accepted == 0 and found.lengths == () and found.median_s == 0.0


def advice(rows: list[Clip]) -> str:
    return "\n".join(summarise(rows, PrepareSpec(), SOUNDS.get).advice)


def test_advice_is_about_what_is_missing_and_silent_about_what_is_there() -> None:
    assert "Record at least 10 s more" in advice(clips(2))
    assert "3 minutes make a much better voice than 30 s" in advice(clips(6))
    assert "1.0 minutes more would make" in advice(clips(24))
    assert "minutes" not in advice(clips(40))
    assert "hardly any questions" in advice(clips(40)) and "hardly any questions" not in advice(clips(40, text="see the boy?"))
    assert "All clips are shorter" in advice(clips(90, 2.5)) and "All clips are shorter" not in advice(clips(40))
    assert "AA (father)" in advice(clips(40)) and "OY (boy)" not in advice(clips(40))
    assert "2 × another speaker: listen to one" in advice([*clips(40), *[rejected(50 + i, "another speaker") for i in range(2)]])


def test_a_telephone_among_better_recordings_is_pointed_at() -> None:
    wide, call = clips(30, bandwidth_hz=11_000.0), clips(4, bandwidth_hz=4_000.0)
    assert "4 × sound as through a telephone among better ones: min_bandwidth_hz = 4500" in advice([*wide, *call])
    assert "The recordings sound as through a telephone" in advice(call)
    assert "telephone" not in advice(wide)
    assert "telephone" not in advice([*wide, *clips(4, bandwidth_hz=2_000.0, snr_db=9.0)]), "noise covers what is above"


def test_too_little_speech_says_why_by_frequency() -> None:
    rows = [clip(0), rejected(1, "clipped: 3 %"), *[rejected(i, "too short: 0.4 s of at least 0.8 s") for i in (2, 3)]]
    error = too_little(rows, 2.0, PrepareSpec())
    assert type(error) is RecordingsError
    assert "There are 2.0 s of usable speech; at least 20 s" in error.problem
    assert "3 of 4 clips were rejected (2 x too short; 1 x clipped)" in error.problem
    wrong = [rejected(i, "script does not match: 0.1 of at least 0.5") for i in range(3)]
    assert type(too_little(wrong, 0.0, PrepareSpec())) is ScriptError
    assert "No speech was found" in too_little([rejected(0, "no speech in it")], 0.0, PrepareSpec()).problem


def test_two_versions_of_a_dataset_are_told_apart_clip_by_clip() -> None:
    first = dataset()
    one, two, *rest = first.clips
    other = clip(7)
    changed = (
        replace(one, id="cut anew", transcript=Transcript("other words")),
        replace(two, verdict=Verdict.REJECTED, reason="left out by hand"),
        rest[0],
        other,
    )
    second = Dataset("another", first.spec_hash, changed, (), (), 0.0)
    found = compare(first, second)
    assert not found.same and found.added == (other,) and found.removed == (rest[1],)
    assert [(c.before.id, c.after.id) for c in found.text] == [(one.id, "cut anew")]
    assert [c.after.reason for c in found.verdict] == ["left out by hand"]
    assert found.speech_s == (8.0, 6.0)
    nothing = compare(first, first)
    assert nothing.same and not (nothing.added or nothing.removed or nothing.text or nothing.verdict)
