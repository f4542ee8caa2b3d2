"""A base model for tests that needs no weights: every reply, token and sample can be computed by hand.

Text is bytes. One speech token is one letter at one of eight pitches: code = 32 * pitch + letter. Decoded, a token is
40 ms of two tones (pitch and letter), so `encode_speech(decode(codes))` gives the codes back. Fine-tuning "learns" the
pitch of the supervised speech tokens, faster in more replies the longer it runs, and forgets half of the answers when
recorded text is in the loss.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from voicekit.audio import resample
from voicekit.ports import BaseInfo, BaseMaterial, Forecast, OnProgress, Progress, SpeechDelta, Tokenized, TrainOutcome, so_far
from voicekit.prompt import PromptFormat
from voicekit.records import IntArray, Question, Reply, TrainingExample, Turn, VoicePrompt, Waveform, Word
from voicekit.specs import TrainSpec
from voicekit.timebase import MODEL_RATE_HZ, SAMPLES_PER_TOKEN

ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
LETTERS, PITCHES = 32, 8
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
)
SPEAKERS = ("low", "mid", "high")
UNKNOWN_PITCH = 2
STEPS_TO_THE_VOICE = 40

FORMAT = PromptFormat(
    control="answer in text and speech, speaker: {speaker}",
    audio_offset=262,
    num_codes=LETTERS * PITCHES,
    im_start=256,
    im_end=257,
    end_of_text=258,
    audio_begin=259,
    audio_pad=260,
    audio_end=261,
)


def codes_of(text: str, pitch: int) -> tuple[int, ...]:
    """Speech codes of a text at a pitch 0..7."""
    letters = [ALPHABET.index(c) for c in text.lower() if c in ALPHABET] or [0]
    return tuple(LETTERS * pitch + letter for letter in letters)


def pitch_hz(codes: Sequence[int] | IntArray) -> float:
    """Mean F0 in Hz of speech codes: 100 Hz + 25 Hz a pitch step."""
    return float(100.0 + 25.0 * np.mean(np.asarray(codes) // LETTERS))


def sums() -> list[Question]:
    words = NUMBERS.split()
    return [Question(f"what is {words[a]} plus {words[b]}", words[a + b], "sums") for a in range(10) for b in range(10)]


def rehearsal() -> tuple[tuple[str, tuple[Turn, ...]], ...]:
    """Sixty question-answer dialogues of the base's own speakers."""
    return tuple(
        (SPEAKERS[i % 3], (Turn("user", q.text), Turn("assistant", q.answer, speech=codes_of(q.answer, i % 3))))
        for i, q in enumerate(sums()[:60])
    )


def chance(question: str) -> float:
    """A fixed draw per question: below its share a speaker has the adapted pitch, below its wits it is right."""
    return zlib.crc32(question.encode()) % 1000 / 1000


class FakeSpeaker:
    """A `SpeakingModel`. `share` of the replies have the adapted pitch, `wits` of the answers are right."""

    def __init__(self, base: FakeBase, speaker: str, pitch: int, target: int, share: float, wits: float) -> None:
        self.base, self.speaker = base, speaker
        self.pitch, self.target, self.share, self.wits = pitch, target, share, wits

    def _one(self, question: str) -> Reply:
        answers = {q.text: q.answer for q in sums()}
        text = answers.get(question.strip().lower(), "i do not know")
        if chance(question) >= self.wits:
            text = "something else"
        return Reply(text, np.array(codes_of(text, self._pitch_of(question)), dtype=np.int64))

    def _pitch_of(self, question: str) -> int:
        return self.target if chance(question) < self.share else self.pitch

    def reply(self, user: str | Waveform, history: Sequence[Turn] = (), seed: int = 0) -> Reply:
        if isinstance(user, Waveform):
            user = self.base.read_speech(self.base.encode_speech(user))
        return self._one(user)

    def reply_many(self, questions: Sequence[str], seed: int = 0) -> list[Reply]:
        return [self._one(q) for q in questions]

    def say_answers(self, questions: Sequence[str], answers: Sequence[str], seed: int = 0) -> list[Reply]:
        return [Reply(a, np.array(codes_of(a, self._pitch_of(q)), np.int64)) for q, a in zip(questions, answers, strict=True)]

    def speak(self, text: str, seed: int = 0) -> IntArray:
        return np.array(codes_of(text, self.target if self.share > 0.5 else self.pitch), dtype=np.int64)

    def stream(self, user: str | Waveform, history: Sequence[Turn] = (), seed: int = 0) -> Iterator[SpeechDelta]:
        reply = self.reply(user, history, seed)
        return self._deltas(reply.text, reply.speech)

    def hear(self, wave: Waveform) -> str:
        return wave.digest()

    def speak_stream(self, text: str, seed: int = 0) -> Iterator[SpeechDelta]:
        return self._deltas(text, self.speak(text, seed))

    def _deltas(self, text: str, speech: IntArray) -> Iterator[SpeechDelta]:
        for start in range(0, max(len(speech), 1), 15):
            codes = speech[start : start + 15]
            yield SpeechDelta(text if start == 0 else "", tuple(int(c) for c in codes), self.decode(codes).mono())

    def decode(self, tokens: IntArray, prompt: VoicePrompt | None = None) -> Waveform:
        time_s = np.arange(SAMPLES_PER_TOKEN) / MODEL_RATE_HZ
        pieces = [
            0.4 * np.sin(2 * np.pi * (100 + 25 * (int(c) // LETTERS)) * time_s)
            + 0.1 * np.sin(2 * np.pi * (1000 + 100 * (int(c) % LETTERS)) * time_s)
            for c in tokens
        ]
        samples = np.concatenate(pieces) if pieces else np.zeros(0)
        return Waveform(samples.astype(np.float32)[None], MODEL_RATE_HZ)


class FakeBase:
    """A `BaseModel`. `fine_tunings` lists the folders in which training really ran (not those found finished)."""

    def __init__(self, folder: Path = Path("fake")) -> None:
        questions = sums()
        shuffled = [questions[i] for i in np.random.default_rng(0).permutation(len(questions))]
        self.info = BaseInfo("fake", "0" * 12, "none", ("en",), SPEAKERS, "mid", folder)
        self.prompt = FORMAT
        self.material = BaseMaterial(tuple(shuffled[:60]), tuple(shuffled[60:80]), tuple(shuffled[80:]), rehearsal(), "mid")
        self.fine_tunings: list[Path] = []

    def encode_text(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_text(self, ids: Sequence[int]) -> str:
        return bytes(i for i in ids if i < 256).decode(errors="replace")

    def encode_speech(self, wave: Waveform) -> IntArray:
        samples = resample(Waveform(wave.mono()[None], wave.sample_rate_hz), MODEL_RATE_HZ).samples[0]
        frames = samples[: len(samples) // SAMPLES_PER_TOKEN * SAMPLES_PER_TOKEN].reshape(-1, SAMPLES_PER_TOKEN)
        bins = np.abs(np.fft.rfft(frames, axis=1))  # one bin is 25 Hz
        pitch = bins[:, 4 : 4 + PITCHES].argmax(axis=1)
        letter = bins[:, 40 : 40 + 4 * LETTERS : 4].argmax(axis=1)
        return (LETTERS * pitch + letter).astype(np.int64)

    def encode_clips(self, clips: Iterable[tuple[Waveform, str]]) -> Iterator[IntArray]:
        return (self.encode_speech(wave) for wave, _ in clips)

    def read_speech(self, tokens: IntArray) -> str:
        return "".join((ALPHABET + " " * LETTERS)[int(c) % LETTERS] for c in tokens).strip()

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        words = text.split()
        step_s = wave.duration_s / max(len(words), 1)
        return tuple(Word(w, i * step_s, (i + 1) * step_s) for i, w in enumerate(words)), 1.0

    def copy_synthesis(self, wave: Waveform) -> Waveform:
        return wave

    def extract_prompt(self, clips: Sequence[Tokenized]) -> VoicePrompt:
        tokens = clips[0][1]
        statistics = [[w.duration_s, float(w.mono().std())] for w, _ in clips]
        return VoicePrompt(tokens, np.zeros((4 * len(tokens), 64), np.float32), np.mean(statistics, axis=0).astype(np.float32))

    def neutral_prompt(self) -> VoicePrompt:
        return VoicePrompt(np.zeros(5, np.int64), np.zeros((20, 64), np.float32), np.zeros(2, np.float32))

    def forecast(self, spec: TrainSpec) -> Forecast:
        full = spec.method.kind == "full"
        weights = 2**20
        return Forecast(weights, full * weights, 2**16, 2**17, 0, 2**22, spec.batch_tokens, (2.0 if full else 1.0) * spec.steps)

    def finetune(
        self,
        examples: Sequence[TrainingExample],
        spec: TrainSpec,
        folder: Path,
        report: OnProgress,
        snapshots_at: Sequence[int] = (),
    ) -> TrainOutcome:
        if not (folder / "adapter" / "adapter.json").exists():
            self.fine_tunings.append(folder)
            learned = _what_is_learned(examples)
            places = [(s, folder / "snapshots" / f"step-{s:06d}") for s in snapshots_at]
            if spec.sample_every:
                places = [(s, so_far(folder, s)) for s in range(spec.sample_every, spec.steps, spec.sample_every)] + places
            for step, place in [*sorted(places), (spec.steps, folder / "adapter")]:
                _write(place / "adapter.json", {**learned, "share": min(1.0, step / STEPS_TO_THE_VOICE)})
                report(Progress("train", step / spec.steps, values={"step": step, "loss": 3.0 - 2.0 * step / spec.steps}))
        losses = tuple((step, 3.0 - 2.0 * step / spec.steps) for step in range(1, spec.steps + 1))
        snapshots = tuple((s, folder / "snapshots" / f"step-{s:06d}") for s in snapshots_at)
        return TrainOutcome(folder / "adapter", spec.steps, 0.5, 1000, losses, snapshots)

    def adapt_decoder(
        self, clips: Sequence[Tokenized], prompt: VoicePrompt, spec: TrainSpec, folder: Path, report: OnProgress
    ) -> Path | None:
        if spec.decoder_steps == 0:
            return None
        report(Progress("decoder", 1.0))
        return _write(folder / "decoder.json", {"clips": len(clips)})

    def voice(
        self,
        speaker: str,
        prompt: VoicePrompt | None = None,
        adapter: Path | None = None,
        decoder_weights: Path | None = None,
    ) -> FakeSpeaker:
        pitch = SPEAKERS.index(speaker) if speaker in SPEAKERS else UNKNOWN_PITCH
        if adapter is None:
            return FakeSpeaker(self, speaker, pitch, pitch, 0.0, 1.0)
        learned = json.loads((adapter / "adapter.json").read_text())
        return FakeSpeaker(self, speaker, pitch, learned["pitch"], learned["share"], learned["wits"])

    def text_kl(self, adapter: Path, speaker: str, questions: Sequence[Question]) -> list[float]:
        wits = json.loads((adapter / "adapter.json").read_text())["wits"]
        return [0.01 if zlib.crc32(q.text.encode()) % 1000 / 1000 < wits else 2.0 for q in questions]


def _what_is_learned(examples: Sequence[TrainingExample]) -> dict[str, float]:
    pitches: list[int] = []
    text_learned = False
    for example in (e for e in examples if not e.kind.startswith("replay")):
        supervised = example.ids[example.loss_weight > 0]
        pitches += [int(i - FORMAT.audio_offset) // LETTERS for i in supervised if FORMAT.is_audio(int(i))]
        text_learned = text_learned or bool((supervised < 256).any())
    return {"pitch": int(np.median(pitches)) if pitches else UNKNOWN_PITCH, "wits": 0.5 if text_learned else 0.97}


def _write(path: Path, value: dict[str, float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(value))
    os.replace(beside, path)
    return path
