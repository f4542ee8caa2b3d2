"""Measure a voice against its un-tuned base and against the recordings it was made from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import regex

from voicekit.crew import Crew
from voicekit.errors import InputError, RecordingsError
from voicekit.evaluate import statistics
from voicekit.evaluate.text import same_answer, text_errors
from voicekit.ports import BaseModel, OnProgress, PitchTracker, Progress, SpeakerEncoder, SpeakingModel, Transcriber
from voicekit.records import (
    ClipRow,
    EvaluationRows,
    FloatArray,
    HeardSpeech,
    IntArray,
    Metric,
    Question,
    Reply,
    ReplyRow,
    TextErrors,
    VoicePrompt,
    Waveform,
)
from voicekit.verbalization import UNSPACED, UNSPACED_LANGUAGES, primary

if TYPE_CHECKING:
    from voicekit.specs import EvaluateSpec

METRICS: dict[str, str] = {
    "retention": "share of right answers of the voice / of the un-tuned base, the same questions (paired interval)",
    "base_accuracy": "share of right answers of the un-tuned base under its default speaker (exact match of words)",
    "voice_accuracy": "share of right answers of the voice (exact match of words)",
    "text_kl_nats": "mean KL(base || voice) in nats over the text positions of the right answers, each under its own name",
    "speaker_cosine": "mean cosine of the voice's replies to the speaker (mean embedding of the recordings)",
    "base_speaker_cosine": "the same for the un-tuned base: its default speaker, its neutral voice prompt",
    "self_cosine": "mean cosine of each recording to the mean of the other recordings",
    "copy_cosine": "the same for the recordings' copy synthesis: the vocoder's ceiling",
    "wer": "word error rate of the voice's replies: what a recogniser that knows none of them hears against the reply's own text",
    "cer": "the same in characters",
    "base_wer": "word error rate of the un-tuned base's replies",
    "base_cer": "the same in characters",
    "copy_wer": "word error rate of the recordings' copy synthesis against the script: the vocoder's ceiling",
    "copy_cer": "the same in characters",
    "recording_wer": "word error rate of the recordings themselves against the script: the recogniser's ceiling",
    "recording_cer": "the same in characters",
    "in_voice": "share of replies with a mean F0 within 10 % of the speaker's, both tokens decoded with the neutral prompt",
    "token_js": "Jensen-Shannon divergence in nats (0 equal, 0.693 disjoint) of the speech tokens of replies and recordings",
    "speech_rate_ratio": "letters per second of voiced speech, replies / recordings, both tokens decoded with the neutral prompt",
    "real_time_factor": "seconds of speech made per second of work, answering one question at a time (over 1 keeps up)",
}

F0_TOLERANCE = 0.10
TIMED_QUESTIONS = 4
# Recordings are synthesised (copies, F0, rate) until there are this many seconds of them, and no fewer than this.
SYNTHESISED_S, FEWEST_SYNTHESISED = 40.0, 4
_PITCH_FRAME_S = 0.01
_FEWEST_VOICED_FRAMES = 5
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Instruments:
    """What hears the speech. `judge` transcribes it and does not know what is said.

    `workers` replies are decoded and heard at once, each as if alone.
    """

    speaker: SpeakerEncoder
    judge: Transcriber
    pitch: PitchTracker
    workers: int = 1

    def each(self, do: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
        """What `do` makes of each, in order, `workers` at once."""
        with Crew(self.workers) as crew:
            yield from crew.each(do, things)


def evaluate_voice(
    base: BaseModel,
    voice: SpeakingModel,
    adapter: Path | None,
    recordings: Sequence[tuple[Waveform, str]],
    questions: Sequence[Question],
    spec: EvaluateSpec,
    instruments: Instruments,
    report: OnProgress,
) -> tuple[dict[str, Metric], EvaluationRows]:
    """Every metric of METRICS, in that order, and the rows they rest on; the same for the same spec.seed (but for time).

    `recordings` are waveforms with what is said in them, held-out ones first. The first `spec.spoken` are used; the first 40 s
    of these where they have to be synthesised (copies, F0, rate). `spec.questions` of `questions` are drawn and asked, and the
    answers to the first `spec.spoken` are heard. `adapter` is that of `voice`; None for a voice without one, which by
    definition has a text KL of 0. Raises RecordingsError without recordings, InputError without questions.
    """
    if not recordings:
        raise RecordingsError("There are no recordings to compare the voice with.", "Give the recordings it was made from.")
    if not questions:
        raise InputError("There are no questions to ask the voice.", "Give questions with their answers.")
    order = np.random.default_rng(spec.seed).permutation(len(questions))[: spec.questions]
    asked = [questions[int(i)] for i in order]
    used = list(recordings[: spec.spoken])
    report(Progress("evaluate", 0.0, "Listening to the recordings"))
    bench = _Bench(base, instruments, used)
    clips = bench.clips()
    report(Progress("evaluate", 0.25, f"Asking {len(asked)} questions"))
    texts = [q.text for q in asked]
    replies, base_replies = voice.reply_many(texts, spec.seed), bench.base_voice.reply_many(texts, spec.seed)
    drift = [0.0] * len(asked) if adapter is None else base.text_kl(adapter, voice.speaker, asked)
    spoken = min(len(asked), spec.spoken)
    heard: list[tuple[HeardSpeech, HeardSpeech]] = []
    pairs = list(zip(replies, base_replies, strict=True))
    for both in instruments.each(lambda pair: (bench.reply(pair[0], voice), bench.reply(pair[1], None)), pairs[:spoken]):
        report(Progress("evaluate", 0.45 + 0.5 * len(heard) / spoken, "Listening to the replies"))
        heard.append(both)
    rows: list[ReplyRow] = []
    for i, (question, (reply, base_reply)) in enumerate(zip(asked, pairs, strict=True)):
        right, base_right = same_answer(reply.text, question.answer), same_answer(base_reply.text, question.answer)
        sounds = heard[i] if i < spoken else (None, None)
        rows.append(ReplyRow(question, reply.text, base_reply.text, right, base_right, drift[i], *sounds))
    found = EvaluationRows(tuple(rows), clips, bench.speaker_f0_hz)
    report(Progress("evaluate", 0.95, "Measuring the speed"))
    values = {
        **_metrics(found, spec.seed),
        **bench.against_recordings(found, [reply.speech for reply in replies[:spoken]], spec.seed),
        "real_time_factor": _speed(voice, texts[:TIMED_QUESTIONS], spec.seed),
    }
    report(Progress("evaluate", 1.0))
    return {name: values[name] for name in METRICS}, found


def f0_hz(pitch_hz: FloatArray) -> float:
    """Geometric mean of the voiced frames of an F0 contour; NaN with less than 50 ms of voice."""
    voiced = pitch_hz[pitch_hz > 0]
    return float(np.exp(np.log(voiced).mean())) if len(voiced) >= _FEWEST_VOICED_FRAMES else float("nan")


def in_voice(f0: float, speaker_f0: float) -> bool:
    """Whether an F0 is within 10 % of the speaker's; NaN never is."""
    return abs(f0 / speaker_f0 - 1) <= F0_TOLERANCE if speaker_f0 > 0 else False


class _Bench:
    """The instruments set up for one speaker, with their recordings measured once."""

    def __init__(self, base: BaseModel, instruments: Instruments, recordings: Sequence[tuple[Waveform, str]]) -> None:
        self.base_voice = base.voice(base.info.default_speaker)
        self._base, self._instruments, self._languages = base, instruments, base.info.languages
        self._neutral = base.neutral_prompt()
        waves = [wave for wave, _ in recordings]
        self._embeddings = list(instruments.each(instruments.speaker.embed, waves))
        self._speaker = _unit(np.sum(self._embeddings, axis=0))
        self._tokens = list(base.encode_clips(recordings))
        self._listened_to = _first_seconds(recordings)
        self._pitch = list(instruments.each(self._track, self._tokens[: len(self._listened_to)]))
        found = [f0 for pitch in self._pitch if np.isfinite(f0 := f0_hz(pitch))]
        self.speaker_f0_hz = float(np.exp(np.mean(np.log(found)))) if found else float("nan")

    def clips(self) -> tuple[ClipRow, ...]:
        """The first recordings beside their copy synthesis, each compared with the speaker's other recordings."""
        total = np.sum(self._embeddings, axis=0)

        def row(i: int) -> ClipRow:
            wave, text = self._listened_to[i]
            others = _unit(total - self._embeddings[i])
            copy = self._hear(self._base.copy_synthesis(wave), text, others, self._pitch[i])
            heard = self._transcribed(wave, text)
            errors = text_errors(text, heard, language_of(text, self._languages))
            return ClipRow(text, wave, float(self._embeddings[i] @ others), heard, errors, copy)

        return tuple(self._instruments.each(row, range(len(self._listened_to))))

    def reply(self, reply: Reply, voice: SpeakingModel | None) -> HeardSpeech:
        """A reply as `voice` sounds; as the un-tuned base sounds if it is None."""
        neutral = _decode(self.base_voice, reply.speech, self._neutral)
        wave = neutral if voice is None else _decode(voice, reply.speech)
        return self._hear(wave, reply.text, self._speaker, self._instruments.pitch.track(neutral))

    def against_recordings(self, rows: EvaluationRows, tokens: Sequence[IntArray], seed: int) -> dict[str, Metric]:
        """What compares the speech tokens of the replies with those of the recordings."""
        spoken = [row.voice for row in rows.replies if row.voice is not None]
        said = [row.voice_text for row in rows.replies if row.voice is not None]
        return {
            "in_voice": statistics.share([s.in_voice for s in spoken]),
            "token_js": statistics.token_divergence(tokens, self._tokens, self._base.prompt.num_codes, seed),
            "speech_rate_ratio": statistics.ratio_of_ratios(
                [_letters(text) for text in said],
                [_voiced_s(s.pitch_hz) for s in spoken],
                [_letters(text) for _, text in self._listened_to],
                [_voiced_s(pitch) for pitch in self._pitch],
                seed,
            ),
        }

    def _hear(self, wave: Waveform, text: str, speaker: FloatArray, pitch_hz: FloatArray) -> HeardSpeech:
        silent = wave.num_samples == 0
        heard = "" if silent else self._transcribed(wave, text)
        errors = text_errors(text, heard, language_of(text, self._languages))
        cosine = 0.0 if silent else float(self._instruments.speaker.embed(wave) @ speaker)
        return HeardSpeech(wave, cosine, heard, errors, pitch_hz, in_voice(f0_hz(pitch_hz), self.speaker_f0_hz))

    def _transcribed(self, wave: Waveform, text: str) -> str:
        return self._instruments.judge.transcribe(wave, language_of(text, self._languages))

    def _track(self, tokens: IntArray) -> FloatArray:
        return self._instruments.pitch.track(_decode(self.base_voice, tokens, self._neutral))


def _metrics(rows: EvaluationRows, seed: int) -> dict[str, Metric]:
    replies, copies = rows.replies, [clip.copy for clip in rows.clips]
    spoken = [row.voice for row in replies if row.voice is not None]
    base_spoken = [row.base for row in replies if row.base is not None]
    right, base_right = [row.voice_right for row in replies], [row.base_right for row in replies]
    several = len(rows.clips) > 1
    return {
        "retention": statistics.share_ratio(right, base_right),
        "base_accuracy": statistics.share(base_right),
        "voice_accuracy": statistics.share(right),
        "text_kl_nats": statistics.mean([row.text_kl_nats for row in replies], seed),
        "speaker_cosine": statistics.mean([s.cosine for s in spoken], seed),
        "base_speaker_cosine": statistics.mean([s.cosine for s in base_spoken], seed),
        "self_cosine": statistics.mean([clip.cosine for clip in rows.clips] if several else [], seed),
        "copy_cosine": statistics.mean([copy.cosine for copy in copies] if several else [], seed),
        **_error_rates("", [s.errors for s in spoken], seed),
        **_error_rates("base_", [s.errors for s in base_spoken], seed),
        **_error_rates("copy_", [c.errors for c in copies], seed),
        **_error_rates("recording_", [clip.errors for clip in rows.clips], seed),
    }


def _error_rates(whose: str, errors: Sequence[TextErrors], seed: int) -> dict[str, Metric]:
    """Word and character error rate over all words and characters."""
    return {
        f"{whose}wer": statistics.rate([e.word_errors for e in errors], [e.num_words for e in errors], seed),
        f"{whose}cer": statistics.rate([e.character_errors for e in errors], [e.num_characters for e in errors], seed),
    }


def language_of(text: str, languages: Sequence[str]) -> str:
    """The first of a base's languages that is written like the text."""
    unspaced = regex.search(UNSPACED, text) is not None
    return next((tag for tag in languages if (primary(tag) in UNSPACED_LANGUAGES) == unspaced), languages[0])


def _first_seconds(recordings: Sequence[tuple[Waveform, str]]) -> list[tuple[Waveform, str]]:
    ends_s = np.cumsum([wave.duration_s for wave, _ in recordings])
    return list(recordings[: max(int((ends_s <= SYNTHESISED_S).sum()), FEWEST_SYNTHESISED)])


def _speed(voice: SpeakingModel, texts: Sequence[str], seed: int) -> Metric:
    made_s: list[float] = []
    work_s: list[float] = []
    for text in texts:
        started_s = time.perf_counter()
        wave = _decode(voice, voice.reply(text, seed=seed).speech)
        work_s.append(time.perf_counter() - started_s)
        made_s.append(wave.duration_s)
    return statistics.ratio(made_s, work_s, seed)


def _decode(voice: SpeakingModel, tokens: IntArray, prompt: VoicePrompt | None = None) -> Waveform:
    """Speech tokens as audio; no tokens are no audio."""
    return voice.decode(tokens, prompt) if len(tokens) else Waveform(np.zeros((1, 0), np.float32), 24_000)


def _letters(text: str) -> float:
    return float(sum(c.isalpha() for c in text))


def _voiced_s(pitch_hz: FloatArray) -> float:
    return float((pitch_hz > 0).sum()) * _PITCH_FRAME_S


def _unit(vector: FloatArray) -> FloatArray:
    return vector / max(float(np.linalg.norm(vector)), 1e-8)
