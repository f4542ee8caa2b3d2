"""Messy recordings with known truth, prepared with what is here: python -m bench.messy [--minutes 2] [--only RECORDING]

Two and three synthetic people take turns and interrupt one another, clean, in noise, over music, in a hall and through a
telephone; a script of single sentences has wrong lines. Says for each recording how much of what was kept is the wanted
speaker's alone (purity), how much of what they say alone was kept (recall), how many kept clips begin or end inside a word,
where one speaks and where two do, and how fast it went; of the script how many wrong lines were found and right ones
doubted; then how far words are from where a synthesiser put them, what cleaning does to noisy and to clean sound, and how fast
each step is. Needs flite and festival. The result is a section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.messy_truth import (
    FESTIVAL_VOICE,
    cleaning_gain,
    left_alone,
    step_speeds,
    with_word_times,
    word_errors,
    words_of,
)
from bench.sections import publish_section
from recipes.nano.engines import SAMPLE_RATE_HZ, speak
from recipes.nano.narratives import narratives
from recipes.nano.voices import Voice
from voicekit import audio
from voicekit.engines import Engines
from voicekit.evaluate.text import text_errors
from voicekit.prepare import Given, load_dataset
from voicekit.prepare.hearing import WHO_SPEAKS_MOST, Wanted
from voicekit.prepare.spans import Span, common, merged, total_s, without
from voicekit.preparing import prepare_with
from voicekit.records import Clip, Dataset, FloatArray, Verdict, Waveform
from voicekit.settings import Settings
from voicekit.specs import PrepareSpec
from voicekit.timebase import samples_to_seconds
from voicekit.wiring import engines

TARGET, GUESTS = "rms", ("slt", "awb")
FADE_S = 0.01
EDGE_DB = -35.0


@dataclass(frozen=True)
class Scene:
    """A recording: its sound at 24 kHz, when the wanted speaker speaks alone, when each sentence sounds, when each word
    does, and when two speak at once."""

    name: str
    samples: FloatArray
    alone: tuple[Span, ...]
    sentences: tuple[Span, ...]
    words: tuple[Span, ...]
    both: tuple[Span, ...]
    mine: tuple[tuple[str, Span], ...]


@dataclass(frozen=True)
class Score:
    """`wer`: of the kept clips' transcripts, against the wanted speaker's words that sound in them."""

    name: str
    minutes: float
    wer: float
    purity: float
    recall: float
    kept: int
    cut: int
    cut_in_both: int
    real_time: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="length of each recording")
    parser.add_argument("--out", type=Path, default=Path("build/messy"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument(
        "--only", nargs="+", help='these recordings alone ("two people", ...), and nothing is written into the docs'
    )
    options = parser.parse_args()
    if not (shutil.which("flite") and shutil.which("festival")):
        print("flite and festival are needed (Debian: apt-get install flite festival festvox-kdlpc16k).", file=sys.stderr)
        return 2
    shutil.rmtree(options.out, ignore_errors=True)
    found = engines(Settings(home=options.out / "home"))
    said = Sayings(narratives(7, 400))
    reference = options.out / "reference.wav"
    audio.write_wav(reference, Waveform(np.concatenate([said.next(TARGET) for _ in range(3)])[None], SAMPLE_RATE_HZ))
    scores: list[Score] = []
    played = scenes(said, options.minutes)
    for scene in [s for s in played if options.only is None or s.name in options.only]:
        for how, whose in (("who speaks most", WHO_SPEAKS_MOST), ("reference", Wanted(reference))):
            scores.append(prepared(scene, how, whose, found, options.out))
            print(scores[-1], flush=True)
    if options.only is not None:
        return 0
    lines = wrong_lines(said, found, options.out)
    text = section(scores, lines, found) + "\n".join(truths(played, said, found, options.out)) + "\n"
    print(text)
    publish_section("messy", text, options.docs)
    return 0


class Sayings:
    """The next sentence in a voice, float32 [T] at 24 kHz."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = iter(texts)
        self.text = ""
        self.words: list[Span] = []

    def next(self, bank: str) -> FloatArray:
        self.text = next(self._texts)
        with tempfile.TemporaryDirectory() as scratch:
            (made,) = speak([(Voice(bank, bank, "flite", bank), self.text)], Path(scratch))
        assert made is not None
        loud = np.flatnonzero(np.abs(made) > 10 ** (EDGE_DB / 20) * np.abs(made).max())
        made, first_s, length_s = made[loud[0] : loud[-1] + 1], loud[0] / SAMPLE_RATE_HZ, (loud[-1] - loud[0]) / SAMPLE_RATE_HZ
        self.words = common([(a - first_s, b - first_s) for a, b in words_of(bank, self.text)], [(0.0, length_s)])
        ramp = np.minimum(1.0, np.arange(len(made)) / (FADE_S * SAMPLE_RATE_HZ))
        return (made * ramp * ramp[::-1] * 0.3 / np.abs(made).max()).astype(np.float32)


def scenes(said: Sayings, minutes: float) -> list[Scene]:
    two, three = talk(said, GUESTS[:1], minutes, 0), talk(said, GUESTS, minutes, 1)
    rng = np.random.default_rng(2)
    length = len(two.samples)
    pink = np.cumsum(rng.standard_normal(length))
    pink = (pink - np.convolve(pink, np.ones(400) / 400, "same")).astype(np.float32)
    return [
        two,
        replace(three, name="three people"),
        over(two, "noise at 10 dB", pink, 10.0),
        over(two, "music at 12 dB", music(length), 12.0),
        replace(two, name="a hall", samples=hall(two.samples, rng)),
        replace(two, name="a telephone", samples=telephone_band(two.samples, SAMPLE_RATE_HZ)),
    ]


def talk(said: Sayings, guests: Sequence[str], minutes: float, seed: int) -> Scene:
    """The wanted speaker says two sentences of three; one turn of four begins before the last has ended."""
    rng = np.random.default_rng(seed)
    turns: list[tuple[str, float, FloatArray]] = []
    words: list[Span] = []
    mine_said: list[tuple[str, Span]] = []
    now_s = 0.5
    while now_s < 60 * minutes:
        who = TARGET if rng.random() < 0.66 else guests[int(rng.integers(len(guests)))]
        samples = said.next(who)
        interrupts = bool(turns) and turns[-1][0] != who and rng.random() < 0.25
        start_s = now_s - (0.7 if interrupts else -float(rng.uniform(0.3, 0.9)))
        turns.append((who, start_s, samples))
        sounding = [(start_s + a, start_s + b) for a, b in said.words]
        words += sounding
        if who == TARGET:
            mine_said += zip(re.findall(r"[a-z']+", said.text.lower()), sounding, strict=True)
        now_s = start_s + len(samples) / SAMPLE_RATE_HZ
    mixed = np.zeros(int((now_s + 0.5) * SAMPLE_RATE_HZ), np.float32)
    for _, start_s, samples in turns:
        first = int(start_s * SAMPLE_RATE_HZ)
        mixed[first : first + len(samples)] += samples
    mixed += (1e-4 * rng.standard_normal(len(mixed))).astype(np.float32)
    spans = [(who, start_s, start_s + len(s) / SAMPLE_RATE_HZ) for who, start_s, s in turns]
    mine = [(a, b) for who, a, b in spans if who == TARGET]
    others = [(a, b) for who, a, b in spans if who != TARGET]
    alone, sentences = tuple(without(merged(mine), merged(others))), tuple((a, b) for _, a, b in spans)
    both = tuple(common(merged(mine), merged(others)))
    return Scene("two people", mixed, alone, sentences, tuple(words), both, tuple(mine_said))


def over(scene: Scene, name: str, sound: FloatArray, snr_db: float) -> Scene:
    speech = np.square(scene.samples[np.abs(scene.samples) > 0.01]).mean()
    gain = np.sqrt(speech / np.square(sound).mean() / 10 ** (snr_db / 10))
    return replace(scene, name=name, samples=(scene.samples + gain * sound).astype(np.float32))


def music(length: int) -> FloatArray:
    """Chords of three notes with overtones, a new one every second."""
    rng = np.random.default_rng(3)
    t = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    chords: list[FloatArray] = []
    for _ in range(length // SAMPLE_RATE_HZ + 1):
        root = 110 * 2 ** (int(rng.integers(12)) / 12)
        notes = [root * ratio * k for ratio in (1, 5 / 4, 3 / 2) for k in (1, 2, 3)]
        chords.append((np.exp(-1.5 * t) * sum(np.sin(2 * np.pi * hz * t) / hz**0.5 for hz in notes)).astype(np.float32))
    return np.concatenate(chords)[:length]


def hall(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    t = np.arange(int(0.8 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    room = rng.standard_normal(len(t)) * np.exp(-6.9 * t / 0.7) * 0.05
    room[0] = 1.0
    size = len(samples) + len(room)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size), size)[: len(samples)]
    return (wet * 0.5 / np.abs(wet).max()).astype(np.float32)


def telephone_band(samples: FloatArray, rate_hz: int) -> FloatArray:
    spectrum, hz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / rate_hz)
    return np.fft.irfft(np.where((hz > 300) & (hz < 3400), spectrum, 0), len(samples)).astype(np.float32)


def prepared(scene: Scene, how: str, whose: Wanted, found: Engines, out: Path) -> Score:
    folder = out / f"{scene.name}, {how}".replace(" ", "-")
    audio.write_wav(folder / "in" / "talk.wav", Waveform(scene.samples[None], SAMPLE_RATE_HZ))
    began_s = time.perf_counter()
    dataset = made_of(folder, found, whose)
    took_s = time.perf_counter() - began_s
    spans = [span(c) for c in dataset.clips if c.verdict is Verdict.ACCEPTED]
    kept = merged(spans)
    cut = [edge for s in spans for edge in s if inside(edge, scene.words)]
    in_both = sum(inside(edge, scene.both, 0.0) for edge in cut)
    kept_s, mine_s = total_s(common(kept, merged(scene.sentences))), total_s(common(kept, scene.alone))
    length_s = len(scene.samples) / SAMPLE_RATE_HZ
    return Score(
        f"{scene.name}, {how}", length_s / 60, misheard(dataset, scene), mine_s / max(kept_s, 1e-9),
        mine_s / total_s(scene.alone), len(spans), len(cut) - in_both, in_both, length_s / took_s,
    )  # fmt: skip


def misheard(dataset: Dataset, scene: Scene) -> float:
    """WER of the transcripts of kept clips. A word is in the clip that holds its middle."""
    wrong = words = 0
    for clip in dataset.clips:
        if clip.verdict is Verdict.ACCEPTED:
            start_s, end_s = span(clip)
            said = " ".join(word for word, (a, b) in scene.mine if start_s <= (a + b) / 2 < end_s)
            errors, count = text_errors(said, clip.transcript.text)[:2]
            wrong, words = wrong + errors, words + count
    return wrong / max(1, words)


def made_of(folder: Path, found: Engines, whose: Wanted) -> Dataset:
    given, spec = Given(folder / "in", whose=whose), PrepareSpec(min_speech_s=0.0)
    return prepare_with(found, found.open_base("nano"), given, spec, folder / "dataset", lambda _: None, strict=False)


def wrong_lines(said: Sayings, found: Engines, out: Path) -> tuple[int, int, int, int]:
    """(wrong lines, of them left out, right lines, of them left out) of a script whose every fourth line is another's."""
    folder, texts = out / "script", list[str]()
    for number in range(40):
        audio.write_wav(folder / "in" / f"{number:02d}.wav", Waveform(np.pad(said.next(TARGET), 6000)[None], SAMPLE_RATE_HZ))
        texts.append(said.text)
    wrong = {number: (number + 4) % 40 for number in range(0, 40, 4)}
    rows = "".join(f"{n:02d}|{texts[wrong.get(n, n)]}\n" for n in range(40))
    (folder / "in" / "metadata.csv").write_text(rows, encoding="utf-8")
    left_out = {
        int(Path(c.recording).stem) for c in made_of(folder, found, WHO_SPEAKS_MOST).clips if c.verdict is Verdict.REJECTED
    }
    return len(wrong), len(left_out & set(wrong)), 40 - len(wrong), len(left_out - set(wrong))


def truths(played: Sequence[Scene], said: Sayings, found: Engines, out: Path) -> list[str]:
    """Lines about words, cleaning and speed."""
    folder = out / "words"
    truth = with_word_times([narrative for narrative in narratives(11, 40)], folder / "in")
    words = word_errors(made_of(folder, found, WHO_SPEAKS_MOST), truth)
    lines = [
        f"Words of 40 scripted sentences by festival's {FESTIVAL_VOICE}: {words.words} words, their edges",
        f"{words.median_ms:.0f} ms from the synthesiser's in the median, 90 % within {words.ninth_decile_ms:.0f} ms;",
        f"{words.cut} clip edges inside a word.",
        "",
        "| cleaned | chosen | SI-SDR before, dB | after, dB |",
        "|---|---|---|---|",
    ]
    clean = played[0]
    for scene in played[2:4]:
        how, before_db, after_db = cleaning_gain(scene.samples, clean.samples, found)
        lines.append(f"| {scene.name} | {how.value} | {before_db:.1f} | {after_db:.1f} |")
    place = out / f"{clean.name}, who speaks most".replace(" ", "-")
    worst_db, before, after = left_alone(load_dataset(place / "dataset"), place / "dataset", place / "in" / "talk.wav", found)
    sentence = said.next(TARGET)
    speeds = step_speeds(clean.samples, sentence, said.text, found)
    return [
        *lines,
        "",
        f"Clean sound (two people): clips differ from the recording at the same loudness by at most {worst_db:.2f} dB in",
        f"any 50 ms; DNSMOS {before:.2f} before, {after:.2f} after.",
        "",
        "| step by itself | × real time |",
        "|---|---|",
        *(f"| {name} | {speed:.0f} |" for name, speed in speeds.items()),
        "",
    ]


def section(scores: Sequence[Score], lines: tuple[int, int, int, int], found: Engines) -> str:
    models = ", ".join(s.model.name for s in found.models() if s.ready and not s.model.bundled) or "none: what is bundled"
    head = (
        "| recording, whose it is | minutes | purity, % | recall, % | WER, % | kept | edges in a word | where two speak "
        "| × real time |"
    )
    rows = [
        f"| {s.name} | {s.minutes:.1f} | {100 * s.purity:.1f} | {100 * s.recall:.1f} | {100 * s.wer:.1f} "
        f"| {s.kept} | {s.cut} | {s.cut_in_both} | {s.real_time:.1f} |"
        for s in scores
    ]
    wrong, caught, right, doubted = lines
    return "\n".join(
        [
            "## Messy recordings",
            "",
            f"`python -m bench.messy`; models: {models}. Nothing is scripted but the last line: what is said is written down.",
            "The wanted speaker says two sentences of three; one turn of four begins before the last has ended. Purity: of the",
            "speech kept, what the wanted speaker says alone; recall: of what they say alone, what was kept. Edges of kept clips",
            "lie in a word where that goes on for more than 30 ms on both sides, by the synthesiser's phones. WER: of the kept",
            "clips' transcripts, against what the wanted speaker says in them.",
            "",
            head,
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"Of {wrong} wrong lines of a script {caught} were left out, of {right} right ones {doubted}.",
            "",
        ]
    )


def span(clip: Clip) -> Span:
    start_s = samples_to_seconds(clip.start_sample, clip.sample_rate_hz)
    return start_s, start_s + samples_to_seconds(clip.num_samples, clip.sample_rate_hz)


def inside(time_s: float, spans: Sequence[Span], margin_s: float = 0.03) -> bool:
    """Whether an edge falls into a span by more than a few glottal pulses."""
    return any(a + margin_s < time_s < b - margin_s for a, b in spans)


if __name__ == "__main__":
    sys.exit(main())
