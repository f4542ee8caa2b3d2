"""What is known beforehand of a recording: who talks when, a cleaned sound, texts with their times."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.fake_speech import BurstAligner, BurstCounter, BurstVad, burst_means, bursts, say, sentences
from tests.makers import recording
from voicekit import audio
from voicekit.prepare import Given, prepare_dataset
from voicekit.prepare.clips import Tools, clips_of
from voicekit.prepare.scripts import Cue
from voicekit.prepare.sound import Heard, listen
from voicekit.prepare.track import Track
from voicekit.prepare.turnover import UNSURE_S
from voicekit.prepare.workbench import Listening
from voicekit.records import Clip, Recording, Verdict, Waveform
from voicekit.records import Heard as Said
from voicekit.specs import PrepareSpec

SPEC = PrepareSpec(min_speech_s=0.0)
GAP_S = 0.6


class Fair:
    name = "fair"

    def predict(self, wave: Waveform) -> float | None:
        return 2.5


@dataclass(frozen=True)
class Talk:
    """Sentences one after the other, and when each is said."""

    wave: Waveform
    texts: tuple[str, ...]
    spans: tuple[tuple[float, float], ...]

    def of(self, *numbers: int, margin_s: float = 0.1) -> tuple[tuple[float, float], ...]:
        return tuple((self.spans[n][0] - margin_s, self.spans[n][1] + margin_s) for n in numbers)


def talk(count: int = 4) -> Talk:
    texts = tuple(sentences(count))
    samples, spans, now_s = [], [], 0.0
    for text in texts:
        wave = say(text, edge_s=GAP_S / 2)
        found = bursts(wave)
        spans.append((now_s + found[0][0], now_s + found[-1][1]))
        samples.append(wave.samples)
        now_s += wave.duration_s
    return Talk(Waveform(np.concatenate(samples, axis=1), 16_000), texts, tuple(spans))


def track_of(wave: Waveform, folder: Path, sample_rate_hz: int = 16_000) -> Track:
    audio.write_wav(folder / "given.wav", wave)
    return Track(folder / "given.wav", folder / "work", sample_rate_hz)


def cut(folder: Path, heard: Heard, text: str | None, listens: bool = False, spec: PrepareSpec = SPEC) -> list[Clip]:
    of = recording(sample_rate_hz=16_000, num_samples=heard.track.num_samples)
    tools = Tools(BurstVad(), [BurstAligner()], BurstCounter() if listens else None)
    made = [make() for make in clips_of(of, heard, text, spec, tools, folder)]
    starts = [c.start_sample for c in made]
    assert starts == sorted(starts)
    assert all(a.start_sample + a.num_samples <= b.start_sample for a, b in pairwise(made)), "no sound is in two clips"
    return made


def shown(clips: list[Clip]) -> list[tuple[str, str]]:
    return [(c.transcript.text, c.reason) for c in clips]


def test_what_others_say_becomes_rejected_clips_and_the_script_is_followed_around_it(tmp_path: Path) -> None:
    t = talk()
    text = " ".join(t.texts[i] for i in (0, 2, 3))
    made = cut(tmp_path, Heard(track_of(t.wave, tmp_path), allowed_spans=t.of(0, 2, 3)), text)
    assert ("", "another speaker") in shown(made)
    other = next(c for c in made if c.reason)
    assert other.start_sample / 16_000 == pytest.approx(t.spans[1][0] - 0.1, abs=0.05)
    assert len(bursts(audio.read(tmp_path / other.audio))) == 6
    taken = [c for c in made if not c.reason]
    assert " ".join(c.transcript.text for c in taken) == text
    assert sum(len(bursts(audio.read(tmp_path / c.audio))) for c in taken) == 18


def test_what_is_said_at_once_stands_apart_and_what_was_said_alone_is_kept(tmp_path: Path) -> None:
    t = talk(3)
    made = cut(tmp_path, Heard(track_of(t.wave, tmp_path), overlapped_spans=t.of(1, margin_s=0.02)), " ".join(t.texts))
    assert shown(made) == [(t.texts[0], ""), (t.texts[1], "two people speak at once"), (t.texts[2], "")]
    assert [c.grades.overlap_ratio > 0.5 for c in made] == [False, True, False]


def test_without_a_script_only_the_wanted_speaker_is_listened_to(tmp_path: Path) -> None:
    t = talk(4)
    heard = Heard(track_of(t.wave, tmp_path), allowed_spans=t.of(0, 3), overlapped_spans=t.of(2))
    made = cut(tmp_path, heard, None, listens=True)
    la = "la la la la la la"
    assert shown(made) == [(la, ""), ("", "another speaker"), ("", "two people speak at once"), (la, "")]


def test_what_goes_over_into_anothers_speech_is_kept_up_to_its_last_whole_word(tmp_path: Path) -> None:
    t = talk(2)
    words = bursts(t.wave)
    middle_s = (words[8][0] + words[8][1]) / 2  # of a word of the second sentence, by a diarizer that is no more exact
    heard = Heard(track_of(t.wave, tmp_path), allowed_spans=((0.0, middle_s),))
    made = cut(tmp_path, heard, None, listens=True)
    kept = [c for c in made if not c.reason]
    end_s = max(c.start_sample + c.num_samples for c in kept) / 16_000
    assert not any(a < end_s < b for a, b in words), "no word was cut"
    assert end_s < middle_s - UNSURE_S + 0.1
    assert {c.reason for c in made} == {"", "another speaker", "goes over into somebody else's speech"}


def test_turns_in_round_milliseconds_leave_nothing_to_anybody_else(tmp_path: Path) -> None:
    """Half a millisecond behind a turn was somebody else's, into whom every sentence went over."""
    track = track_of(talk(1).wave, tmp_path)
    of = recording(sample_rate_hz=16_000, num_samples=track.num_samples)
    sound = listen(of, Heard(track, speech=((0.3001, 2.5004),), allowed_spans=((0.3, 2.5),)), BurstVad())
    assert sound.others == () and sound.mine == ((0.3001, 2.5),)


def test_nobody_but_others_makes_no_clip_that_is_used(tmp_path: Path) -> None:
    t = talk(2)
    made = cut(tmp_path, Heard(track_of(t.wave, tmp_path), allowed_spans=()), " ".join(t.texts))
    assert {c.reason for c in made} == {"another speaker"}


def test_cues_give_the_pieces_and_are_joined_to_sentences(tmp_path: Path) -> None:
    t = talk(3)
    first, second = t.texts[1].split()[:3], t.texts[1].split()[3:]
    middle_s = bursts(t.wave)[8][1] + 0.03
    cues = (
        Cue(t.spans[0][0] - 0.2, t.spans[0][1] + 0.15, t.texts[0]),
        Cue(t.spans[1][0] - 0.1, middle_s, " ".join(first)),
        Cue(middle_s, t.spans[1][1] + 0.1, " ".join(second)),
        Cue(t.spans[2][0], t.spans[2][1], t.texts[2]),
    )
    made = cut(tmp_path, Heard(track_of(t.wave, tmp_path), cues=cues), None)
    assert " ".join(c.transcript.text for c in made) == " ".join(t.texts)
    assert all(c.reason == "" and c.transcript.text.endswith(".") and c.transcript.source == "cue" for c in made)
    for c in made:
        assert len(bursts(audio.read(tmp_path / c.audio))) == len(c.transcript.text.split()), "no word was cut"
    whole = (Cue(0.0, t.wave.duration_s, " ".join(t.texts)),)
    long = cut(tmp_path, Heard(track_of(t.wave, tmp_path), cues=whole), None, spec=SPEC.model_copy(update={"max_clip_s": 5.0}))
    assert " ".join(c.transcript.text for c in long) == " ".join(t.texts) and all(c.duration_s <= 5.0 for c in long)


def test_a_cue_of_somebody_else_is_rejected_with_its_text(tmp_path: Path) -> None:
    t = talk(3)
    cues = tuple(Cue(*span, text) for span, text in zip(t.spans, t.texts, strict=True))
    made = cut(tmp_path, Heard(track_of(t.wave, tmp_path), allowed_spans=t.of(0, 2), cues=cues), None)
    assert shown(made) == [(t.texts[0], ""), (t.texts[1], "another speaker"), (t.texts[2], "")]


def test_a_cleaned_sound_of_another_rate_takes_the_recordings_place(tmp_path: Path) -> None:
    t = talk(1)
    hiss = np.random.default_rng(0).standard_normal(t.wave.samples.shape).astype(np.float32)
    noisy = Waveform((t.wave.samples + 0.004 * hiss).astype(np.float32), 16_000)
    plain = cut(tmp_path, Heard(track_of(noisy, tmp_path)), t.texts[0])[0]
    cleaned = cut(tmp_path, Heard(track_of(audio.resample(t.wave, 44_100), tmp_path, 16_000)), t.texts[0])[0]
    assert cleaned.sample_rate_hz == 16_000
    assert cleaned.start_sample == pytest.approx(plain.start_sample, abs=320)
    assert cleaned.grades.snr_db > plain.grades.snr_db + 10


def test_script_and_ear_are_both_kept_and_their_differences_named(tmp_path: Path) -> None:
    class Ear(BurstCounter):
        name = "ear"

        def hear(self, wave: Waveform, language: str | None = None) -> Said:
            return Said("one for seven zero three", language=language or "")

    of = recording(sample_rate_hz=16_000)
    tools, text = Tools(BurstVad(), [BurstAligner()], second_opinion=Ear()), "One four seven, zero three six."
    heard = Heard(track_of(say(text, pause_s=0.2), tmp_path))
    (make,) = clips_of(of, heard, text, PrepareSpec(min_heard_match=0.8), tools, tmp_path)
    made = make()
    assert (made.transcript.text, made.transcript.heard) == (text, "one for seven zero three")
    assert made.transcript.differences == (("four", "for"), ("six.", ""))
    assert made.grades.heard_match == pytest.approx(4 / 6, abs=1e-3)
    assert made.reason.startswith("script does not match: 67 % of its words were heard") and "heard for for four" in made.reason


def test_a_predicted_score_is_a_grade_with_its_own_threshold(tmp_path: Path) -> None:
    of, text = recording(sample_rate_hz=16_000), sentences(1)[0]
    tools = Tools(BurstVad(), [BurstAligner()], quality=Fair())
    heard = Heard(track_of(say(text), tmp_path))
    taken, left = (clips_of(of, heard, text, PrepareSpec(min_predicted_mos=limit), tools, tmp_path)[0]() for limit in (2.0, 3.0))
    assert taken.grades.predicted_mos == 2.5 and taken.verdict is Verdict.ACCEPTED
    assert left.reason == "sounds bad: predicted MOS 2.5 of at least 3"


def test_who_talks_when_is_part_of_what_a_dataset_is_made_of(tmp_path: Path) -> None:
    t, calls = talk(3), []
    (tmp_path / "r").mkdir()
    audio.write_wav(tmp_path / "r" / "talk.wav", t.wave)
    (tmp_path / "r" / "talk.txt").write_text(f"{t.texts[0]} {t.texts[2]}")

    def listening(version: str) -> Listening:
        def hear(of: Recording, file: Path) -> Heard:
            calls.append(version)
            track = Track(file, tmp_path / "work", of.sample_rate_hz)
            return Heard(track, allowed_spans=t.of(0, 2) if version == "two" else None)

        return Listening("turns", lambda of: version, hear)

    def made(version: str) -> list[str]:
        means = burst_means(listening=lambda _: listening(version))
        dataset = prepare_dataset(Given(tmp_path / "r"), SPEC, tmp_path / "d", means, lambda _: None, strict=False)
        return [c.reason for c in dataset.clips]

    assert made("two").count("another speaker") == 1
    assert made("two").count("another speaker") == 1 and calls == ["two"]
    assert "another speaker" not in made("one") and calls == ["two", "one"]
