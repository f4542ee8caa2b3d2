"""What bench.messy measures beside whose speech was kept: words against a synthesiser's times, what cleaning does, speeds."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from recipes.nano.engines import SAMPLE_RATE_HZ
from voicekit import audio
from voicekit.engines import Engines
from voicekit.models import Cleaning
from voicekit.ports import Separator
from voicekit.prepare.align import align
from voicekit.prepare.grade import levels_of
from voicekit.prepare.separated import Background, background_of, cleaned, cleaning_for
from voicekit.prepare.spans import Span
from voicekit.records import Dataset, FloatArray, Verdict, Waveform
from voicekit.timebase import MODEL_RATE_HZ, samples_to_seconds, seconds_to_samples

FESTIVAL_VOICE = "ked_diphone"
_FRAME_S = 0.05
_VOWELS = "aeiou"


@dataclass(frozen=True)
class WordErrors:
    """Distance of the words' edges from where the synthesiser put them, in ms, and clip edges inside a word."""

    words: int
    median_ms: float
    ninth_decile_ms: float
    cut: int


def words_of(bank: str, text: str) -> list[Span]:
    """Where flite's voice says each word, in seconds: its phones are those of the words by themselves, but for some that change
    between neighbours."""
    phones = _phones(bank, text)
    alone = [(phone, k) for k, word in enumerate(re.findall(r"[a-z']+", text.lower())) for phone, _, _ in _phones(bank, word)]
    spans: dict[int, Span] = {}
    for (_, start_s, end_s), said in zip(phones, likest([p for p, _, _ in phones], [p for p, _ in alone]), strict=True):
        word = alone[said][1]
        spans[word] = (spans[word][0] if word in spans else start_s, end_s)
    return list(spans.values())


def likest(phones: Sequence[str], alone: Sequence[str]) -> list[int]:
    """For each of `phones` the one of `alone` that it stands for, in order, with the fewest changes; one too many goes with the
    one before it."""
    costs = np.full((len(phones) + 1, len(alone) + 1), np.inf)
    back = np.zeros(costs.shape, int)
    costs[0] = np.arange(len(alone) + 1)
    for i, phone in enumerate(phones, start=1):
        costs[i, 0] = i
        for j, other in enumerate(alone, start=1):
            options = (costs[i - 1, j - 1] + _change(phone, other), costs[i - 1, j] + 1.0, costs[i, j - 1] + 1.0)
            back[i, j] = int(np.argmin(options))
            costs[i, j] = options[back[i, j]]
    found: list[int] = []
    i, j = len(phones), len(alone)
    while i > 0:
        step = back[i, j] if j > 0 else 1
        if step != 2:
            i -= 1
            found.append(max(j - 1, 0))
        if step != 1:
            j -= 1
    return found[::-1]


def _change(phone: str, other: str) -> float:
    """A vowel becomes another ("a" alone and before a noun), hardly ever a consonant."""
    if phone == other:
        return 0.0
    return 0.6 if (phone[0] in _VOWELS) == (other[0] in _VOWELS) else 1.6


@cache
def _phones(bank: str, text: str) -> list[tuple[str, float, float]]:
    """(phone, start, end) in seconds, without silence."""
    said = subprocess.run(
        ["flite", "-voice", bank, "-psdur", "-t", text, "-o", "none"], capture_output=True, text=True, check=True
    )
    ends = [("", 0.0), *((phone, float(end)) for phone, end in re.findall(r"(\S+):([\d.]+)", said.stdout))]
    return [(phone, start_s, end_s) for (_, start_s), (phone, end_s) in pairwise(ends) if phone != "pau"]


def with_word_times(texts: Sequence[str], folder: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Festival reads each text into `folder`; (word, start, end) in seconds, by the file's stem."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"(voice_{FESTIVAL_VOICE})"]
    for number, text in enumerate(texts):
        each = "(lambda (w) (format t \"%s|%f|%f\\n\" (item.name w) (item.feat w 'word_start) (item.feat w 'word_end)))"
        lines += [
            f'(set! u (utt.synth (Utterance Text "{text}")))(utt.save.wave u "{folder / f"{number:02d}.wav"}" \'riff)',
            f'(format t "# {number:02d}\\n")(mapcar {each} (utt.relation.items u \'Word))',
        ]
    script = folder.with_suffix(".scm")
    script.write_text("\n".join(lines))
    said = subprocess.run(["festival", "-b", str(script)], capture_output=True, text=True, check=True).stdout
    rows = "".join(f"{number:02d}|{text}\n" for number, text in enumerate(texts))
    (folder / "metadata.csv").write_text(rows, encoding="utf-8")
    found: dict[str, list[tuple[str, float, float]]] = {}
    for block in said.split("# ")[1:]:
        name, *words = block.split("\n")
        cut = [w.split("|") for w in words if w.count("|") == 2]
        found[name.strip()] = [(w, float(a), float(b)) for w, a, b in cut]
    return found


def word_errors(dataset: Dataset, truth: dict[str, list[tuple[str, float, float]]]) -> WordErrors:
    errors: list[float] = []
    cut = words = 0
    for clip in dataset.clips:
        known = truth[Path(clip.recording).stem]
        start_s = samples_to_seconds(clip.start_sample, clip.sample_rate_hz)
        end_s = start_s + samples_to_seconds(clip.num_samples, clip.sample_rate_hz)
        if clip.verdict is Verdict.ACCEPTED:
            cut += sum(a + 0.03 < edge < b - 0.03 for edge in (start_s, end_s) for _, a, b in known)
        if len(known) != len(clip.transcript.words):
            continue  # a word that the synthesiser takes for two
        words += len(known)
        for (_, a, b), word in zip(known, clip.transcript.words, strict=True):
            errors += [abs(start_s + word.start_s - a), abs(start_s + word.end_s - b)]
    milliseconds = 1000 * np.array(errors or [np.nan])
    return WordErrors(words, float(np.median(milliseconds)), float(np.quantile(milliseconds, 0.9)), cut)


def si_sdr_db(estimate: FloatArray, truth: FloatArray) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019, "SDR - half-baked or well done?")."""
    target = float(estimate @ truth) / float(truth @ truth) * truth
    return float(10 * np.log10(float(target @ target) / float((estimate - target) @ (estimate - target))))


def _background(wave: Waveform, spans: Sequence[Span]) -> Background:
    return background_of(wave, levels_of(wave.mono(), wave.sample_rate_hz), spans)


def cleaning_gain(mixed: FloatArray, clean: FloatArray, found: Engines) -> tuple[Cleaning, float, float]:
    """What is chosen for a recording, and its SI-SDR before and after."""
    wave = Waveform(mixed[None], SAMPLE_RATE_HZ)
    how = cleaning_for(_background(wave, found.vad().speech_spans(wave)))
    made = {
        Cleaning.NONE: lambda: mixed,
        Cleaning.DENOISE: lambda: _cleaned(mixed, found.denoiser()),
        Cleaning.SEPARATE: lambda: _cleaned(mixed, found.separator("auto")),
    }[how]()
    return how, si_sdr_db(mixed, clean), si_sdr_db(made, clean)


def _cleaned(mixed: FloatArray, separator: Separator) -> FloatArray:
    pieces = cleaned(lambda a, b: mixed[None, a:b], len(mixed), SAMPLE_RATE_HZ, separator)
    return np.concatenate([piece.samples[0] for piece in pieces])


def left_alone(dataset: Dataset, folder: Path, source: Path, found: Engines) -> tuple[float, float, float]:
    """Of accepted clips against the same stretch of the clean recording, without offset and at the same loudness: the largest
    difference of level in frames of 50 ms in dB, and the mean predicted quality (1..5) of the recording and of the clips."""
    given, quality = audio.read(source), found.quality()
    recording = Waveform((given.mono() - given.mono().mean())[None], given.sample_rate_hz)
    worst_db, before, after = 0.0, list[float](), list[float]()
    for clip in (c for c in dataset.clips if c.verdict is Verdict.ACCEPTED):
        part = Waveform(recording.samples[:, clip.start_sample : clip.start_sample + clip.num_samples], recording.sample_rate_hz)
        own = audio.normalise_loudness(audio.resample(part, MODEL_RATE_HZ), -23.0)
        made = audio.read(folder / clip.audio)
        levels = [_levels_db(w.mono()) for w in (own, made)]
        heard = levels[0] > levels[0].max() - 40
        heard[[0, -1]] = False  # clips are faded at their edges
        worst_db = max(worst_db, float(np.abs(levels[0] - levels[1])[heard].max()))
        for wave, scores in ((own, before), (made, after)):
            score = quality.predict(wave)
            scores += [] if score is None else [score]
    return worst_db, float(np.mean(before or [np.nan])), float(np.mean(after or [np.nan]))


def step_speeds(samples: FloatArray, sentence: FloatArray, text: str, found: Engines) -> dict[str, float]:
    """Times real time of each step by itself, on the recording, on ten seconds of it, or on a sentence whose text is known."""
    one = Waveform(sentence[None], SAMPLE_RATE_HZ)
    wave = Waveform(samples[None], SAMPLE_RATE_HZ)
    ten = Waveform(wave.samples[:, : seconds_to_samples(10.0, SAMPLE_RATE_HZ)], SAMPLE_RATE_HZ)
    spans = found.vad().speech_spans(wave)
    aligners = found.aligners(found.open_base("nano"))
    steps: dict[str, tuple[Waveform, Callable[[], object]]] = {
        "speech found": (wave, lambda: found.vad().speech_spans(wave)),
        "background measured": (wave, lambda: _background(wave, spans)),
        "denoised": (wave, lambda: _cleaned(samples, found.denoiser())),
        "separated": (wave, lambda: _cleaned(samples, found.separator("auto"))),
        "speakers told apart": (wave, lambda: found.diarizer("auto").diarize(wave, None)),
        "written down": (ten, lambda: found.transcriber("auto").hear(ten, "en")),
        "aligned": (one, lambda: align(one, text, "en", aligners)),
        "voices compared": (ten, lambda: found.speaker_encoder().embed(ten)),
        "quality predicted": (ten, lambda: found.quality().predict(ten)),
    }
    speeds: dict[str, float] = {}
    for name, (heard, step) in steps.items():
        step()
        began_s = time.perf_counter()
        step()
        speeds[name] = heard.duration_s / (time.perf_counter() - began_s)
    return speeds


def _levels_db(samples: FloatArray) -> FloatArray:
    return (10 * np.log10(audio.frame_powers(samples, seconds_to_samples(_FRAME_S, MODEL_RATE_HZ)) + 1e-12)).astype(np.float32)
