"""What every diarizer promises, and whom the embedded one tells apart. pyannote.audio runs for real on tiny random weights."""

import os
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_models import write_tiny_pyannote
from voicekit import audio
from voicekit.backends.diarization import EmbeddedDiarizer
from voicekit.backends.pyannote_diarization import PyannoteDiarizer
from voicekit.backends.segmentation import Activity, PyanNetSegmentation
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.backends.vad import SileroVad
from voicekit.errors import MissingModel
from voicekit.ports import Diarizer
from voicekit.prepare.diarized import by_reference, likeness_of, overlaps, spans_of
from voicekit.prepare.spans import common, total_s
from voicekit.records import FloatArray, SpeakerTurn, Waveform
from voicekit.shipped import shipped_model

GOLDEN = Path(__file__).parents[1] / "golden"
RATE_HZ = 16_000


@cache
def embedded(threads: int = 1) -> EmbeddedDiarizer:
    segmentation = PyanNetSegmentation(shipped_model("segmentation"), threads)
    return EmbeddedDiarizer(SileroVad(), Ge2eSpeakerEncoder(), segmentation, threads)


@pytest.fixture(scope="module")
def pyannote_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pyannote(tmp_path_factory.mktemp("pyannote") / "tiny")


@pytest.fixture(scope="module", params=["embedded", "pyannote"])
def diarizer(request: pytest.FixtureRequest, pyannote_folder: Path) -> Diarizer:
    return embedded() if request.param == "embedded" else PyannoteDiarizer(pyannote_folder)


@cache
def said(name: str) -> FloatArray:
    """float32 [T] at 16 kHz and one level: a sentence of a synthetic voice (kal-1, ...) or of the reader (reader-0)."""
    voice, _, number = name.partition("-")
    path = sorted((GOLDEN / "reader").glob("*.flac"))[int(number)] if voice == "reader" else GOLDEN / "voices" / f"{name}.ogg"
    samples = audio.resample(audio.read(path), RATE_HZ).mono()
    return samples * np.float32(0.05 / samples.std())


@cache
def talk(*names: str) -> tuple[Waveform, tuple[SpeakerTurn, ...]]:
    """The sentences one after the other with half a second between them, and who says what when."""
    gap = np.zeros(RATE_HZ // 2, np.float32)
    parts, turns, now_s = [gap], [], 0.5
    for name in names:
        parts += [said(name), gap]
        turns.append(SpeakerTurn(name.split("-")[0], now_s, now_s + len(said(name)) / RATE_HZ))
        now_s = turns[-1].end_s + 0.5
    noise = 1e-4 * np.random.default_rng(0).standard_normal(sum(map(len, parts))).astype(np.float32)
    return Waveform((np.concatenate(parts) + noise).astype(np.float32)[None], RATE_HZ), tuple(turns)


def telephone(samples: FloatArray) -> FloatArray:
    """What lies between 300 and 3,400 Hz."""
    spectrum, hz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return np.fft.irfft(np.where((hz > 300) & (hz < 3400), spectrum, 0), len(samples)).astype(np.float32)


TWO = ("kal-1", "slt-1", "kal-2", "slt-2", "kal-1", "slt-1")
THREE = ("reader-0", "slt-2", "kal-1", "reader-1", "slt-1", "kal-2", "reader-2")


def test_turns_are_in_order_inside_the_recording_and_the_same_again(diarizer: Diarizer) -> None:
    wave, _ = talk(*TWO)
    turns = diarizer.diarize(wave)
    assert turns and diarizer.name
    assert all(0.0 <= t.start_s < t.end_s <= wave.duration_s and t.speaker for t in turns)
    assert list(turns) == sorted(turns, key=lambda t: t.start_s)
    for speaker in {t.speaker for t in turns}:
        own = [t for t in turns if t.speaker == speaker]
        assert all(a.end_s <= b.start_s for a, b in pairwise(own))
    assert diarizer.diarize(wave) == turns
    assert len({t.speaker for t in diarizer.diarize(wave, num_speakers=1)}) == 1


def test_rate_and_channels_do_not_matter_much(diarizer: Diarizer) -> None:
    wave, _ = talk(*TWO[:2])
    stereo = Waveform(np.repeat(audio.resample(wave, 44_100).samples, 2, axis=0), 44_100)
    shares = [sum(b - a for t in turns for a, b in [(t.start_s, t.end_s)]) for turns in map(diarizer.diarize, (wave, stereo))]
    assert shares[0] == pytest.approx(shares[1], rel=0.15)


def test_nobody_speaks_in_silence(diarizer: Diarizer) -> None:
    assert diarizer.diarize(Waveform(np.zeros((1, 32_000), np.float32), RATE_HZ)) == ()
    assert diarizer.diarize(Waveform(np.zeros((2, 0), np.float32), RATE_HZ)) == ()
    assert diarizer.diarize(Waveform(np.zeros((1, 3), np.float32), RATE_HZ)) == ()


def test_a_blink_of_speech_is_no_crash(diarizer: Diarizer) -> None:
    blink = Waveform(said("slt-1")[None, 8_000:13_000], RATE_HZ)
    assert all(0.0 <= t.start_s < t.end_s <= blink.duration_s for t in diarizer.diarize(blink))


def mistaken(found: tuple[SpeakerTurn, ...], truth: tuple[SpeakerTurn, ...], label_of: dict[str, str]) -> float:
    """Share of the time in which somebody is found speaking that is somebody else's, away from the edges of the sentences."""
    at = np.arange(0.0, truth[-1].end_s, 0.01)

    def who(turns: tuple[SpeakerTurn, ...], inside_s: float) -> list[str]:
        return [next((t.speaker for t in turns if t.start_s + inside_s <= a < t.end_s - inside_s), "") for a in at]

    pairs = [(label_of[f], t) for f, t in zip(who(found, 0.0), who(truth, 0.25), strict=True) if f and t]
    return sum(f != t for f, t in pairs) / len(pairs)


@pytest.mark.parametrize("names", [TWO, THREE, ("reader-0", "reader-1", "reader-2"), ("slt-1", "slt-2", "slt-1")])
@pytest.mark.parametrize("told", [False, True])
def test_the_embedded_one_tells_voices_apart(names: tuple[str, ...], told: bool) -> None:
    wave, truth = talk(*names)
    speakers = list(dict.fromkeys(t.speaker for t in truth))
    found = embedded().diarize(wave, len(speakers) if told else None)
    labels = list(dict.fromkeys(t.speaker for t in found))
    assert len(labels) == len(speakers)
    assert mistaken(found, truth, dict(zip(labels, speakers, strict=True))) < 0.03


@pytest.mark.parametrize("names", [TWO, THREE])
def test_the_embedded_one_tells_voices_apart_over_a_telephone(names: tuple[str, ...]) -> None:
    wave, truth = talk(*names)
    found = embedded().diarize(Waveform(telephone(wave.samples[0])[None], RATE_HZ))
    labels, speakers = (list(dict.fromkeys(t.speaker for t in turns)) for turns in (found, truth))
    assert len(labels) == len(speakers)
    assert mistaken(found, truth, dict(zip(labels, speakers, strict=True))) < 0.03


def test_both_are_heard_where_two_speak_at_once() -> None:
    """Each begins a second before the other has ended."""
    reader, kal = (np.concatenate([said(f"{who}-{k}") for k in (1, 2, 1, 2)]) for who in ("reader", "kal"))
    parts, starts_s = [reader, kal, reader], [0.5]
    for part in parts[:2]:
        starts_s.append(starts_s[-1] + len(part) / RATE_HZ - 1.0)
    both = [(start_s, start_s + 1.0) for start_s in starts_s[1:]]
    mixed = np.zeros(int((starts_s[-1] + 1.0) * RATE_HZ) + len(parts[-1]), np.float32)
    for part, start_s in zip(parts, starts_s, strict=True):
        mixed[int(start_s * RATE_HZ) :][: len(part)] += part
    found = embedded().diarize(Waveform(mixed[None], RATE_HZ))
    assert {t.speaker for t in found} == {"speaker 1", "speaker 2"}
    heard = overlaps(found)
    assert total_s(common(heard, both)) > 1.0  # of 2 s
    assert total_s(heard) - total_s(common(heard, both)) < 0.5


def test_speakers_are_numbered_as_they_begin() -> None:
    wave, _ = talk(*THREE)
    assert list(dict.fromkeys(t.speaker for t in embedded().diarize(wave))) == ["speaker 1", "speaker 2", "speaker 3"]


def test_nobody_speaks_in_noise_and_music() -> None:
    draw, times_s = np.random.default_rng(0), np.arange(RATE_HZ) / RATE_HZ
    chords: list[FloatArray] = []
    for _ in range(30):
        root_hz = 110 * 2 ** (int(draw.integers(12)) / 12)
        tones = [np.sin(2 * np.pi * root_hz * ratio * k * times_s) / k for ratio in (1, 5 / 4, 3 / 2) for k in (1, 2, 3)]
        chords.append((0.05 * np.exp(-1.5 * times_s) * sum(tones)).astype(np.float32))
    noise = (0.05 * draw.standard_normal(30 * RATE_HZ)).astype(np.float32)
    for samples in (noise, np.concatenate(chords)):
        assert embedded().diarize(Waveform(samples[None], RATE_HZ)) == ()


def test_where_the_segmentation_hears_nobody_a_given_span_is_left_out() -> None:
    wave, truth = talk("reader-0")
    speech = [(truth[0].start_s, truth[0].end_s)]
    silent = Waveform(np.concatenate([wave.samples, np.zeros((1, 5 * RATE_HZ), np.float32)], axis=1), RATE_HZ)
    given = [*speech, (wave.duration_s + 2.0, wave.duration_s + 3.0)]
    assert embedded().diarize(silent, None, given) == embedded().diarize(silent, None, speech)


def test_threads_and_speech_found_before_change_nothing() -> None:
    wave, _ = talk(*THREE)
    assert embedded(threads=3).diarize(wave, None, SileroVad().speech_spans(wave)) == embedded().diarize(wave)


def test_a_reference_clip_finds_its_speaker() -> None:
    wave, truth = talk(*THREE)
    encoder = Ge2eSpeakerEncoder()
    found = embedded().diarize(wave)
    reference = Waveform(said("slt-2")[None], RATE_HZ)
    chosen = by_reference(likeness_of(wave, found, encoder, reference, encoder.embed(reference)))
    (first, *_), expected = spans_of(found, chosen), truth[1]
    assert first == (pytest.approx(expected.start_s, abs=0.3), pytest.approx(expected.end_s, abs=0.3))


def test_its_makers_are_told_nothing(pyannote_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for opened in (lambda: PyannoteDiarizer(pyannote_folder), lambda: PyanNetSegmentation(shipped_model("segmentation"))):
        monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "1")
        opened()
        assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"


def test_a_damaged_segmentation_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((shipped_model("segmentation") / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"these are no weights")
    with pytest.raises(MissingModel, match="cannot open the model"):
        PyanNetSegmentation(tmp_path)


def test_a_damaged_or_missing_pipeline_is_named(pyannote_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"no config\.yaml"):
        PyannoteDiarizer(tmp_path)
    (tmp_path / "config.yaml").write_bytes((pyannote_folder / "config.yaml").read_bytes())
    with pytest.raises(MissingModel, match="cannot open the model"):
        PyannoteDiarizer(tmp_path)
    (tmp_path / "segmentation").mkdir()
    (tmp_path / "segmentation" / "pytorch_model.bin").write_bytes(b"this is no checkpoint")
    with pytest.raises(MissingModel, match="cannot open the model") as caught:
        PyannoteDiarizer(tmp_path)
    assert str(tmp_path) in caught.value.problem


class TwoAlike(Ge2eSpeakerEncoder):
    """Hears two voices of a likeness of 0.55: one in samples above zero, one in those below."""

    def __init__(self) -> None:
        pass

    def windows(self, samples: FloatArray, starts: Sequence[int]) -> FloatArray:
        parts = [samples[160 * s : 160 * s + 8 * RATE_HZ // 5] for s in starts]
        shares = np.array([(part > 0).mean() for part in parts])[:, None]
        voices = shares * np.array([[1.0, 0.0]]) + (1 - shares) * np.array([[0.55, 0.835]])
        return (voices / np.linalg.norm(voices, axis=1, keepdims=True)).astype(np.float32)


class OneAtATime(PyanNetSegmentation):
    """Hears somebody always, and never two."""

    def __init__(self) -> None:
        pass

    def activity(self, samples: FloatArray) -> Activity:
        windows = 1 + int(len(samples) / RATE_HZ / 1.25)
        return Activity(np.tile(np.array([0.9, 0.1, 0.1], np.float32), (windows, 293, 1)), 1.25, 0.016875, 0.031)


def test_who_is_interrupted_is_told_from_a_voice_alike() -> None:
    """Windows that hold the change are like both: they tied somebody who spoke twice to the one who spoke on."""
    parts, speech, now_s = list[FloatArray](), list[tuple[float, float]](), 0.0
    for stretch in [((1, 3.0),)] * 8 + [((-1, 2.4), (1, 3.6))] * 2:
        first_s = now_s
        for sign, length_s in stretch:
            parts.append(np.full(round(length_s * RATE_HZ), 0.1 * sign, np.float32))
            now_s += length_s
        speech.append((first_s, now_s))
        parts.append(np.zeros(RATE_HZ // 2, np.float32))
        now_s += 0.5
    diarizer = EmbeddedDiarizer(SileroVad(), TwoAlike(), OneAtATime())
    turns = diarizer.diarize(Waveform(np.concatenate(parts)[None], RATE_HZ), None, speech)
    assert len({t.speaker for t in turns}) == 2
    second = spans_of(turns, turns[-2].speaker)
    assert [(a, b) for a, b in second] == [pytest.approx((a, a + 2.4), abs=0.25) for a, _ in speech[-2:]]
