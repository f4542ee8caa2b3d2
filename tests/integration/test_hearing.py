"""What is found out about a recording before it is cut: once, and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from tests.fake_speech import BurstVad, say, sentences
from tests.makers import recording as any_recording
from voicekit import audio
from voicekit.errors import ResourceError, UsageError
from voicekit.prepare.hearing import Ears, Hearing, Wanted
from voicekit.prepare.sound import Heard
from voicekit.records import FloatArray, Recording, SpeakerTurn, Waveform
from voicekit.specs import PrepareSpec
from voicekit.timebase import seconds_to_samples

FIRST, SECOND = SpeakerTurn("a", 0.0, 3.0), SpeakerTurn("b", 2.5, 4.0)


@dataclass
class Studio:
    """Instruments that note what they were asked. The loud speaker is "a": a voice is its level."""

    turns: tuple[SpeakerTurn, ...] = (FIRST, SECOND)
    asked: list[str] = field(default_factory=list[str])
    name: str = "studio"
    block_s: float = 10.0
    overlap_s: float = 0.25
    warm_up_s: float = 0.0

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        self.asked.append(f"diarize {num_speakers}")
        return self.turns

    def separate(self, wave: Waveform) -> Waveform:
        self.asked.append("separate")
        return Waveform(0.5 * wave.samples, wave.sample_rate_hz)

    def embed(self, wave: Waveform) -> FloatArray:
        loud = float(np.abs(wave.samples).max(initial=0.0)) > 0.3
        return np.array([1.0, 0.0] if loud else [0.0, 1.0], np.float32)

    def ears(self, identity: str = "ears") -> Ears:
        return Ears(identity, BurstVad, lambda: self, lambda: self, lambda: self, lambda: self)


@pytest.fixture
def wave() -> Waveform:
    """4 s: the first three loud, the last one soft."""
    made = say(sentences(3)[0], pause_s=0.2)
    samples = np.resize(made.mono(), seconds_to_samples(4.0, made.sample_rate_hz))
    samples[seconds_to_samples(3.0, made.sample_rate_hz) :] *= 0.2
    return Waveform(samples[None] / np.abs(samples).max() * 0.8, made.sample_rate_hz)


def recording(**changes: object) -> Recording:
    return any_recording(**{"sample_rate_hz": 16_000, **changes})


def file_of(wave: Waveform, folder: Path) -> Path:
    audio.write_wav(folder / "given.wav", wave)
    return folder / "given.wav"


def samples_of(heard: Heard) -> FloatArray:
    return heard.track.read(0, heard.track.num_samples)


@pytest.fixture
def reference(tmp_path: Path, wave: Waveform) -> Callable[[float], Path]:
    def made(level: float) -> Path:
        audio.write_wav(tmp_path / f"{level}.wav", Waveform(wave.samples / 0.8 * level, wave.sample_rate_hz))
        return tmp_path / f"{level}.wav"

    return made


def test_tidy_recordings_of_one_speaker_come_out_as_they_went_in(tmp_path: Path, wave: Waveform) -> None:
    studio = Studio(turns=(FIRST,))
    heard = Hearing(PrepareSpec(diarize_from_s=1.0), studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert np.array_equal(samples_of(heard), audio.read(file_of(wave, tmp_path)).samples[0])
    assert heard.allowed_spans is None and heard.overlapped_spans == ()
    assert studio.asked == ["diarize None"]


def test_nobody_is_looked_for_in_short_recordings_or_where_there_is_one(tmp_path: Path, wave: Waveform) -> None:
    studio = Studio()
    for spec in (PrepareSpec(), PrepareSpec(diarize_from_s=1.0, num_speakers=1)):
        assert Hearing(spec, studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path)).allowed_spans is None
    assert studio.asked == []


def test_who_speaks_most_is_meant_and_what_two_say_at_once_is_told(tmp_path: Path, wave: Waveform) -> None:
    spec = PrepareSpec(diarize_from_s=1.0, num_speakers=2)
    heard = Hearing(spec, Studio().ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert heard.allowed_spans == ((0.0, 3.0),) and heard.overlapped_spans == ((2.5, 3.0),)


@pytest.mark.parametrize(("level", "wanted"), [(0.8, ((0.0, 3.0),)), (0.1, ((2.5, 4.0),))])
def test_a_reference_says_whose_recording_it_is(
    level: float, wanted: object, tmp_path: Path, wave: Waveform, reference: Callable[[float], Path]
) -> None:
    hearing = Hearing(PrepareSpec(diarize_from_s=1.0), Studio().ears(), tmp_path, Wanted(reference(level)))
    assert hearing.hear(recording(), file_of(wave, tmp_path)).allowed_spans == wanted


def test_a_recording_without_the_wanted_speaker_is_left_out_not_the_others_with_it(
    tmp_path: Path, wave: Waveform, reference: Callable[[float], Path]
) -> None:
    soft = Waveform(wave.samples * 0.1, wave.sample_rate_hz)
    hearing = Hearing(PrepareSpec(diarize_from_s=1.0), Studio().ears(), tmp_path, Wanted(reference(0.8)))
    assert hearing.hear(recording(), file_of(soft, tmp_path)).allowed_spans == ()
    alone = Hearing(PrepareSpec(diarize_from_s=1.0), Studio(turns=(FIRST,)).ears(), tmp_path / "alone", Wanted(reference(0.8)))
    assert alone.hear(recording(), file_of(soft, tmp_path)).allowed_spans == ()
    assert [(s.label, s.wanted) for s in alone.speakers([recording()])] == [("a", False)]
    assert alone.hear(recording(id="another"), file_of(wave, tmp_path)).allowed_spans is None


def test_a_name_is_not_ignored_where_one_voice_is_found(tmp_path: Path, wave: Waveform) -> None:
    """A name that nobody bears is an error with the names there are; of one voice whose recording was not told, it is let be."""
    spec, file, alone = PrepareSpec(diarize_from_s=1.0), file_of(wave, tmp_path), Studio((SpeakerTurn("speaker-1", 0.0, 4.0),))
    with pytest.raises(UsageError, match=r"is called 'bob'.*There are: speaker-1"):
        Hearing(spec, alone.ears(), tmp_path, Wanted(label="bob")).hear(recording(), file)
    heard = Hearing(spec, alone.ears(), tmp_path, Wanted(label="speaker-1")).hear(recording(), file)
    assert heard.allowed_spans is None
    told = {"another": (SpeakerTurn("bob", 0.0, 1.0),)}
    assert Hearing(spec, alone.ears(), tmp_path, Wanted(label="bob"), told).hear(recording(), file).allowed_spans is None


def test_answers_and_cleaned_sounds_are_kept(tmp_path: Path, wave: Waveform) -> None:
    studio, spec = Studio(), PrepareSpec(diarize_from_s=1.0, cleaning="separate")
    first = Hearing(spec, studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    again = Hearing(spec, studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert studio.asked == ["separate", "diarize None"]
    assert again.allowed_spans == first.allowed_spans
    sound = samples_of(first)
    assert np.array_equal(sound, samples_of(again)) and np.abs(sound).max() < 0.45
    next((tmp_path / "work" / "cleaned").iterdir()).unlink()
    Hearing(spec, studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert studio.asked.count("separate") == 2


def test_a_long_recording_is_cleaned_by_the_block_and_stays_as_long_as_it_was(tmp_path: Path, wave: Waveform) -> None:
    studio, spec = Studio(block_s=1.5), PrepareSpec(cleaning="separate")
    heard = Hearing(spec, studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert studio.asked == ["separate"] * 3
    given = audio.read(file_of(wave, tmp_path)).samples[0]
    assert len(given) == heard.track.num_samples and np.allclose(samples_of(heard), 0.5 * given, atol=1 / 32768)


@pytest.mark.parametrize(("cleaning", "opened"), [("denoise", ["denoiser"]), ("separate", ["separator"]), ("none", [])])
def test_only_what_cleans_is_opened(cleaning: str, opened: list[str], tmp_path: Path, wave: Waveform) -> None:
    studio, seen = Studio(), list[str]()

    def opening(name: str) -> Callable[[], Studio]:
        return lambda: seen.append(name) or studio

    ears = replace(studio.ears(), denoiser=opening("denoiser"), separator=opening("separator"))
    spec = PrepareSpec().model_copy(update={"cleaning": cleaning})
    Hearing(spec, ears, tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert seen == opened and studio.asked == ["separate"] * len(opened)


def test_cleaning_that_ends_halfway_leaves_nothing_and_is_done_again(tmp_path: Path, wave: Waveform) -> None:
    @dataclass
    class Failing(Studio):
        def separate(self, wave: Waveform) -> Waveform:
            if len(self.asked) == 2:
                raise ResourceError("There is no room.", "Make some.")
            return super().separate(wave)

    spec, file = PrepareSpec(cleaning="separate"), file_of(wave, tmp_path)
    with pytest.raises(ResourceError, match="no room"):
        Hearing(spec, Failing(block_s=1.5).ears(), tmp_path).hear(recording(), file)
    assert list((tmp_path / "work" / "cleaned").iterdir()) == []
    assert list((tmp_path / "work").glob("track-*")) == []
    heard = Hearing(spec, Studio(block_s=1.5).ears(), tmp_path).hear(recording(), file)
    assert np.abs(samples_of(heard)).max() == pytest.approx(0.4, abs=1e-3)


def test_other_models_are_asked_anew(tmp_path: Path, wave: Waveform) -> None:
    studio, spec = Studio(), PrepareSpec(diarize_from_s=1.0)
    Hearing(spec, studio.ears(), tmp_path).hear(recording(), file_of(wave, tmp_path))
    Hearing(spec, studio.ears("better ears"), tmp_path).hear(recording(), file_of(wave, tmp_path))
    assert len(studio.asked) == 2


TOLD = {recording().id: (SpeakerTurn("ann", 0.0, 1.0), SpeakerTurn("ben", 0.5, 3.5))}


@pytest.mark.parametrize(
    ("label", "wanted"), [("", ((0.5, 3.5),)), ("ann", ((0.0, 1.0),)), ("cy", ())], ids=["most", "named", "in another recording"]
)
def test_written_turns_take_the_diarizers_place(label: str, wanted: object, tmp_path: Path, wave: Waveform) -> None:
    studio = Studio()
    hearing = Hearing(PrepareSpec(num_speakers=1), studio.ears(), tmp_path, Wanted(label=label), TOLD)
    heard = hearing.hear(recording(), file_of(wave, tmp_path))
    assert heard.allowed_spans == wanted and heard.overlapped_spans == ((0.5, 1.0),) and studio.asked == []
    assert [(s.label, s.speech_s, s.wanted) for s in hearing.speakers([recording()])] == [
        ("ben", 3.0, label == ""),
        ("ann", 1.0, label == "ann"),
    ]


def test_written_turns_of_one_speaker_are_kept_to_and_a_reference_chooses_among_them(
    tmp_path: Path, wave: Waveform, reference: Callable[[float], Path]
) -> None:
    one = {recording().id: (SpeakerTurn("ann", 1.0, 2.0),)}
    assert Hearing(PrepareSpec(), Studio().ears(), tmp_path, told=one).hear(
        recording(), file_of(wave, tmp_path)
    ).allowed_spans == ((1.0, 2.0),)
    spec, loud, soft = PrepareSpec(), Wanted(reference(0.8)), Wanted(reference(0.1))
    assert Hearing(spec, Studio().ears(), tmp_path, loud, one).hear(recording(), file_of(wave, tmp_path)).allowed_spans == (
        (1.0, 2.0),
    )
    assert Hearing(spec, Studio().ears(), tmp_path, soft, one).hear(recording(), file_of(wave, tmp_path)).allowed_spans == ()
    nobody = {recording().id: ()}
    assert Hearing(spec, Studio().ears(), tmp_path, told=nobody).hear(recording(), file_of(wave, tmp_path)).allowed_spans == ()


def test_other_turns_are_another_answer(tmp_path: Path, wave: Waveform) -> None:
    spec, ears, of = PrepareSpec(), Studio().ears(), recording()
    told = Hearing(spec, ears, tmp_path, told=TOLD)
    later = Hearing(spec, ears, tmp_path, told={of.id: (SpeakerTurn("ann", 0.0, 4.0),)})
    plain = Hearing(spec, ears, tmp_path)
    assert len({h.listening().key(of) for h in (told, later, plain)}) == 3
    assert len({h.hear(of, file_of(wave, tmp_path)).allowed_spans for h in (told, later, plain)}) == 3
