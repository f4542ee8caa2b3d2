"""What every voice activity detector and every aligner promises, on three sentences of a real reader."""

import gc
import itertools
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.fake_speech import BurstAligner, BurstVad, say
from voicekit import audio
from voicekit.backends.alignment import PocketsphinxAligner
from voicekit.backends.pronounce import guess
from voicekit.backends.vad import FRAME, RATE_HZ, SileroVad, spans_of
from voicekit.ports import Aligner, Progress, VoiceActivityDetector
from voicekit.prepare import Given, Means, prepare_dataset
from voicekit.prepare.clips import Tools
from voicekit.prepare.spoken import spoken_form
from voicekit.records import FloatArray, Verdict, Waveform
from voicekit.specs import PrepareSpec

READER = Path(__file__).parents[1] / "golden" / "reader"
TEXTS = [line.split("|")[2] for line in (READER / "metadata.csv").read_text().splitlines()]


def reader(number: int) -> Waveform:
    return audio.read(sorted(READER.glob("*.flac"))[number])


def silence(seconds: float, rate_hz: int, level: float = 1e-4) -> FloatArray:
    return level * np.random.default_rng(0).standard_normal((1, int(seconds * rate_hz))).astype(np.float32)


def padded(wave: Waveform, before_s: float, after_s: float) -> Waveform:
    rate_hz = wave.sample_rate_hz
    parts = [silence(before_s, rate_hz), wave.samples, silence(after_s, rate_hz)]
    return Waveform(np.concatenate(parts, axis=1), rate_hz)


@pytest.fixture(scope="module")
def silero() -> SileroVad:
    return SileroVad()


@pytest.fixture(scope="module")
def pocketsphinx() -> PocketsphinxAligner:
    return PocketsphinxAligner()


@pytest.fixture(params=["silero", "bursts"])
def vad_and_speech(request: pytest.FixtureRequest, silero: SileroVad) -> tuple[VoiceActivityDetector, Waveform]:
    """A detector, with a sound that is speech to it from end to end."""
    return (silero, reader(2)) if request.param == "silero" else (BurstVad(), say("one two three four five", edge_s=0.0))


def test_speech_is_found_where_it_is(vad_and_speech: tuple[VoiceActivityDetector, Waveform]) -> None:
    vad, speech = vad_and_speech
    wave = padded(speech, 1.0, 1.5)
    spans = vad.speech_spans(wave)
    assert spans == sorted(spans) and all(a < b for a, b in spans)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert spans[0][0] == pytest.approx(1.0, abs=0.2)
    assert spans[-1][1] == pytest.approx(1.0 + speech.duration_s, abs=0.25)
    assert sum(b - a for a, b in spans) > 0.8 * speech.duration_s


def test_there_is_no_speech_in_silence(vad_and_speech: tuple[VoiceActivityDetector, Waveform]) -> None:
    vad, _ = vad_and_speech
    assert vad.speech_spans(Waveform(silence(2.0, 44_100), 44_100)) == []
    assert vad.speech_spans(Waveform(np.zeros((2, 10), np.float32), 44_100)) == []


def test_rate_and_channels_do_not_move_speech(silero: SileroVad) -> None:
    wave = padded(reader(2), 0.7, 0.7)
    stereo = np.concatenate([audio.resample(wave, 48_000).samples] * 2)
    other = silero.speech_spans(Waveform(stereo, 48_000))
    assert np.allclose(np.ravel(other), np.ravel(silero.speech_spans(wave)), atol=0.07)


def test_spans_bridge_short_pauses_and_drop_clicks() -> None:
    frame_s = FRAME / RATE_HZ
    p = np.array([0] * 10 + [1] * 10 + [0] * 2 + [0.6] * 10 + [0.4] * 5 + [0] * 20 + [1] + [0] * 20, np.float32)
    assert spans_of(p, len(p) * frame_s) == [pytest.approx((10 * frame_s - 0.03, 37 * frame_s + 0.03))]


@pytest.fixture(params=["pocketsphinx", "bursts"])
def aligner_and_speech(request: pytest.FixtureRequest, pocketsphinx: PocketsphinxAligner) -> tuple[Aligner, Waveform, str]:
    if request.param == "pocketsphinx":
        return pocketsphinx, reader(2), "than in the same operations with ugly ones"
    return BurstAligner(), say("one two three four five"), "one two three four five"


def test_each_word_has_its_place(aligner_and_speech: tuple[Aligner, Waveform, str]) -> None:
    aligner, wave, text = aligner_and_speech
    found = aligner.align(wave, text)
    assert found is not None
    words, match = found
    assert [w.text for w in words] == text.split()
    assert match > 0.8
    times = [t for w in words for t in (w.start_s, w.end_s)]
    assert times == sorted(times) and times[0] >= 0.0 and times[-1] <= wave.duration_s
    assert all(0.0 <= w.confidence <= 1.0 for w in words)
    assert aligner.align(wave, text) == found


def test_it_finds_words_where_they_were_put(pocketsphinx: PocketsphinxAligner) -> None:
    """Two sentences with a second between them: the words around it border on it."""
    first, second = reader(1), reader(2)
    joined = Waveform(np.concatenate([padded(first, 0.2, 1.0).samples, second.samples], axis=1), first.sample_rate_hz)
    found = pocketsphinx.align(joined, spoken_form(f"{TEXTS[1]} {TEXTS[2]}", "en"))
    assert found is not None and found[1] > 0.8
    words = {w.text: w for w in found[0]}
    end_s = 0.2 + first.duration_s
    assert words["surpassed"].end_s == pytest.approx(end_s, abs=0.15)
    assert words["than"].start_s == pytest.approx(end_s + 1.0, abs=0.15)


@pytest.mark.parametrize("number", range(3))
def test_the_right_script_matches_and_a_wrong_one_does_not(number: int, pocketsphinx: PocketsphinxAligner) -> None:
    right = pocketsphinx.align(reader(number), spoken_form(TEXTS[number], "en"))
    assert right is not None and right[1] > 0.8
    for other in range(3):
        wrong = None if other == number else pocketsphinx.align(reader(number), spoken_form(TEXTS[other], "en"))
        assert wrong is None or wrong[1] < 0.4


def test_half_a_script_does_not_match(pocketsphinx: PocketsphinxAligner) -> None:
    half = pocketsphinx.align(reader(2), "than in the same")
    assert half is None or half[1] < 0.5


def test_a_word_of_no_dictionary_is_found_but_too_many_are_not_tried(pocketsphinx: PocketsphinxAligner) -> None:
    found = pocketsphinx.align(reader(2), "than in the same operashuns with ugly ones")
    assert found is not None and found[1] > 0.8 and found[0][4].text == "operashuns"
    assert pocketsphinx.align(reader(2), "thann inn thee same operashuns withh ugly wuns") is None
    assert pocketsphinx.align(reader(2), "than in the same операции with ugly ones") is None
    assert pocketsphinx.align(reader(2), "") is None


def aligning_processes() -> set[int]:
    children = {int(pid) for listed in Path("/proc/self/task").glob("*/children") for pid in listed.read_text().split()}
    return {pid for pid in children if b"voicekit.backends.alignment" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are looked for in /proc")
def test_asked_by_several_at_once_it_answers_as_if_by_one(pocketsphinx: PocketsphinxAligner) -> None:
    """In other processes, whatever they were asked before, and also when one of them is lost."""
    questions = [(reader(n), spoken_form(text, "en")) for n, text in enumerate(TEXTS[:3])]
    questions += [(reader(2), f"than in the same {word} with ugly ones") for word in ("operashuns", "operashunses")]
    alone = [pocketsphinx.align(*question) for question in questions]
    many = PocketsphinxAligner(processes=2)
    waves, texts = zip(*questions[::-1], strict=True)
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(many.align, waves * 2, texts * 2)) == alone[::-1] * 2
    helpers = aligning_processes()
    assert 1 <= len(helpers) <= 2
    os.kill(min(helpers), signal.SIGKILL)
    assert [many.align(*question) for question in questions] == alone
    del many
    gc.collect()
    assert aligning_processes() == set(), "they end with who asked them"


KNOWN = {"wood": "W UH D", "cutters": "K AH T ER Z", "shape": "SH EY P", "shapely": "SH EY P L IY", "anna": "AE N AH"}


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("woodcutters", "W UH D K AH T ER Z"),
        ("shapeliness", "SH EY P L IY N AH S"),
        ("anna's", "AE N AH Z"),
        ("shaping", "SH EY P IH NG"),
        ("grommet", "G R AA M EH T"),
        ("blaughtion", "B L AO SH AH N"),
        ("tnx", "T IY EH N EH K S"),
        ("naïve", None),
    ],
)
def test_guessed_pronunciations(word: str, phones: str | None) -> None:
    assert guess(word, KNOWN.get) == phones


def test_real_recordings_become_a_dataset(silero: SileroVad, pocketsphinx: PocketsphinxAligner, tmp_path: Path) -> None:
    """The three sentences as they are, and as one long recording with its text beside it."""
    spec, means = PrepareSpec(min_speech_s=3.0, max_clip_s=4.0), Means(Tools(silero, [pocketsphinx]))
    made = prepare_dataset(Given(READER), spec, tmp_path / "three", means, quiet)
    assert [c.reason for c in made.clips] == ["", "", ""]
    assert [c.transcript.text for c in made.clips] == TEXTS
    assert len(made.held_out_ids) == 1
    long = np.concatenate([padded(reader(i), 0.3, 0.3).samples for i in range(3)], axis=1)
    (tmp_path / "long").mkdir()
    audio.write_flac(tmp_path / "long" / "talk.flac", Waveform(long, reader(0).sample_rate_hz))
    (tmp_path / "long" / "talk.txt").write_text(" ".join(TEXTS))
    made = prepare_dataset(Given(tmp_path / "long"), spec, tmp_path / "cut", means, quiet)
    assert [c.transcript.text for c in made.clips] == TEXTS
    assert {c.verdict for c in made.clips} == {Verdict.ACCEPTED}
    assert all(c.grades.script_match > 0.8 and c.grades.snr_db > 15 for c in made.clips)


def test_a_wrong_script_is_refused_clip_by_clip(silero: SileroVad, pocketsphinx: PocketsphinxAligner, tmp_path: Path) -> None:
    names = [p.stem for p in sorted(READER.glob("*.flac"))]
    rows = [f"{name}|{text}\n" for name, text in zip(names, [TEXTS[0], TEXTS[2], TEXTS[1]], strict=True)]
    (tmp_path / "s.csv").write_text("".join(rows))
    spec = PrepareSpec(min_speech_s=1.0)
    means = Means(Tools(silero, [pocketsphinx]))
    made = prepare_dataset(Given(READER, tmp_path / "s.csv"), spec, tmp_path / "d", means, quiet)
    assert [c.verdict for c in made.clips] == [Verdict.ACCEPTED, Verdict.REJECTED, Verdict.REJECTED]
    assert all(c.reason.startswith("script does not match") for c in made.clips[1:])


def quiet(event: Progress) -> None:
    """Nobody watches."""
