"""One numbering of everybody who speaks in any of the recordings."""

from __future__ import annotations

import numpy as np

from voicekit.prepare.people import FoundVoice, people_of
from voicekit.records import FloatArray


def voice(recording: str, label: str, speech_s: float, sound: FloatArray, is_name: bool = False) -> FoundVoice:
    return FoundVoice(recording, label, is_name, speech_s, sound)


def sounds(count: int) -> list[FloatArray]:
    """Unit vectors at right angles: voices that resemble each other in nothing."""
    return [row.astype(np.float32) for row in np.eye(max(count, 4))[:count]]


def near(sound: FloatArray, other: FloatArray) -> FloatArray:
    """A voice that is mostly `sound`: cosine 0.9."""
    mixed = 0.9 * sound + np.sqrt(1 - 0.81) * other
    return mixed.astype(np.float32)


def test_the_same_voice_is_one_person_whatever_each_recording_calls_it() -> None:
    ann, ben, odd = sounds(3)
    voices = [
        voice("1.wav", "speaker 1", 20, ann),
        voice("1.wav", "speaker 2", 5, ben),
        voice("2.wav", "speaker 1", 30, near(ben, odd)),
        voice("2.wav", "speaker 2", 4, near(ann, odd)),
        voice("3.wav", "speaker 1", 6, near(ann, odd)),
    ]
    assert people_of(voices) == ["speaker 2", "speaker 1", "speaker 1", "speaker 2", "speaker 2"], "ben speaks longer than ann"


def test_two_who_speak_in_one_recording_are_two_however_alike() -> None:
    ann, odd = sounds(2)
    assert len(set(people_of([voice("1.wav", "speaker 1", 9, ann), voice("1.wav", "speaker 2", 8, near(ann, odd))]))) == 2


def test_different_voices_in_recordings_of_one_speaker_each_are_different_people() -> None:
    ann, ben = sounds(2)
    assert people_of([voice("1.wav", "speaker 1", 9, ann), voice("2.wav", "speaker 1", 8, ben)]) == ["speaker 1", "speaker 2"]


def test_names_that_somebody_wrote_hold_in_all_recordings() -> None:
    ann, ben, odd = sounds(3)
    voices = [
        voice("1.wav", "ann", 9, ann, is_name=True),
        voice("2.wav", "ann", 3, odd, is_name=True),
        voice("2.wav", "ben", 8, near(ann, odd), is_name=True),
        voice("3.wav", "speaker 1", 5, near(ben, odd)),
        voice("4.wav", "speaker 1", 5, ann),
    ]
    assert people_of(voices) == ["ann", "ann", "ben", "speaker 3", "ann"]


def test_silence_resembles_nobody() -> None:
    nothing = np.zeros(4, np.float32)
    assert len(set(people_of([voice("1.wav", "speaker 1", 1, nothing), voice("2.wav", "speaker 1", 1, nothing)]))) == 2
    assert people_of([]) == []
