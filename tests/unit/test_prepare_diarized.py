"""Who the speaker is, when they speak alone, and where two speak at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicekit.errors import RecordingsError, UsageError
from voicekit.prepare.diarized import (
    by_most_speech,
    by_name,
    by_reference,
    overlaps,
    solo,
    spans_of,
    summaries,
    voices_of,
)
from voicekit.prepare.spans import total_s
from voicekit.records import FloatArray, SpeakerTurn, Waveform

TALK = (
    SpeakerTurn("ann", 0.0, 4.0),
    SpeakerTurn("ben", 3.0, 6.0),
    SpeakerTurn("ann", 5.5, 15.5),
    SpeakerTurn("cy", 16.0, 16.5),
)


def test_summaries_count_each_second_of_a_speaker_once() -> None:
    ann, ben, cy = summaries(TALK)
    assert (ann.speaker, ann.speech_s, ann.alone_s) == ("ann", 14.0, 12.5)
    assert (ben.speaker, ben.speech_s, ben.alone_s) == ("ben", 3.0, 1.5)
    assert (cy.speaker, cy.alone_s, cy.listen) == ("cy", 0.5, (16.0, 16.5))
    assert ann.share + ben.share + cy.share == pytest.approx(1.0, abs=1e-3)
    assert ann.listen == (6.0, 12.0) and ben.listen == (4.0, 5.5)
    assert summaries(()) == ()


def test_overlaps_and_what_is_said_alone() -> None:
    assert overlaps(TALK) == ((3.0, 4.0), (5.5, 6.0))
    assert solo(TALK, "ann") == ((0.0, 3.0), (6.0, 15.5)) and solo(TALK, "ben") == ((4.0, 5.5),)
    assert overlaps((SpeakerTurn("a", 0, 2), SpeakerTurn("a", 1, 3))) == ()


turns = st.lists(
    st.builds(
        lambda who, start, length: SpeakerTurn(who, start / 10, (start + length) / 10),
        st.sampled_from("abc"),
        st.integers(0, 60),
        st.integers(1, 30),
    ),
    max_size=8,
)


@given(turns)
def test_alone_and_together_make_the_whole(talk: list[SpeakerTurn]) -> None:
    """On a grid of 0.1 s: each moment of a speaker is theirs alone or shared, never both."""

    def covers(spans: tuple[tuple[float, float], ...], at: float) -> bool:
        return any(a <= at < b for a, b in spans)

    together = overlaps(talk)
    for at in np.arange(0.05, 9.0, 0.1):
        speaking = [who for who in "abc" if covers(spans_of(talk, who), at)]
        assert covers(together, at) == (len(speaking) > 1)
        assert [who for who in "abc" if covers(solo(talk, who), at)] == (speaking if len(speaking) == 1 else [])
    assert all(s.alone_s <= s.speech_s + 1e-6 and total_s([s.listen]) <= 6.0 for s in summaries(talk))


def test_the_speaker_is_chosen_by_speech_or_name() -> None:
    assert by_most_speech(TALK) == "ann" and by_name(TALK, "cy") == "cy"
    with pytest.raises(UsageError, match="dora") as caught:
        by_name(TALK, "dora")
    assert "ann (80%" in caught.value.remedy and "ben" in caught.value.remedy
    with pytest.raises(RecordingsError, match="Nobody speaks"):
        by_most_speech(())


def test_the_speaker_is_found_by_a_reference_or_not_at_all() -> None:
    assert by_reference({"ann": 0.5, "ben": 0.9}) == "ben"
    with pytest.raises(RecordingsError, match=r"Nobody in the recordings sounds like .*ben 0\.60, ann 0\.50"):
        by_reference({"ann": 0.5, "ben": 0.6})
    with pytest.raises(RecordingsError, match="Two speakers sound like"):
        by_reference({"ann": 0.82, "ben": 0.8})
    with pytest.raises(RecordingsError, match="nobody speaks"):
        by_reference({})


class Loudness:
    """Two levels, two voices."""

    name = "loudness"

    def embed(self, wave: Waveform) -> FloatArray:
        level = float(np.abs(wave.samples).mean()) if wave.num_samples else 0.0
        return np.array([level > 0.5, 0 < level <= 0.5], np.float32)


def test_voices_are_taken_from_what_is_said_alone() -> None:
    samples = np.zeros((2, 1700), np.float32)
    samples[:, :300] = samples[:, 600:1550] = 0.9
    samples[:, 400:550] = 0.2
    samples[:, 300:400] = samples[:, 550:600] = 100.0  # both at once
    voices = voices_of(Waveform(samples, 100), TALK, Loudness())
    assert {who: voice.tolist() for who, voice in voices.items()} == {"ann": [1.0, 0.0], "ben": [0.0, 1.0]}
