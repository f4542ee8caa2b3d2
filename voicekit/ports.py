"""Protocols of everything heavy or stored. numpy arrays and records cross these borders, never tensors or sessions.

Each has an embedded implementation that needs no download; wiring.py picks. Errors of libraries are turned into
voicekit.errors inside the implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from voicekit.prompt import PromptFormat
from voicekit.records import (
    Dataset,
    Evaluation,
    FloatArray,
    IntArray,
    Question,
    Recording,
    Reply,
    TrainingExample,
    TrainingRun,
    Turn,
    Voice,
    VoicePrompt,
    Waveform,
    Word,
)
from voicekit.specs import TrainSpec


@dataclass(frozen=True)
class Progress:
    """One thing that happened in a step. `fraction` is 0..1 of the step; `values` are live numbers (loss, ...)."""

    step: str
    fraction: float
    message: str = ""
    values: dict[str, float] = field(default_factory=dict[str, float], hash=False)


OnProgress = Callable[[Progress], None]


class VoiceActivityDetector(Protocol):
    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        """(start_s, end_s) of every stretch of speech, in order, not overlapping."""
        ...


class Aligner(Protocol):
    def align(self, wave: Waveform, text: str) -> tuple[tuple[Word, ...], float] | None:
        """One Word for each space-separated word of `text`, and a script match in 0..1; None if this aligner cannot.

        An aligner with an attribute `languages` is asked only about texts of these.
        """
        ...


class Transcriber(Protocol):
    name: str

    def transcribe(self, wave: Waveform) -> str:
        """Lower-case words separated by single spaces; "" for silence."""
        ...


class SpeakerEncoder(Protocol):
    name: str

    def embed(self, wave: Waveform) -> FloatArray:
        """Unit-length float32 [D]: equal speakers have cosine near 1."""
        ...


class PitchTracker(Protocol):
    def track(self, wave: Waveform) -> FloatArray:
        """F0 in Hz, float32 [T], one value every 10 ms; 0 where there is no voice."""
        ...


@dataclass(frozen=True)
class BaseInfo:
    """What a base model is and what may be done with it. `revision` is a hash of its files."""

    name: str
    revision: str
    licence: str
    languages: tuple[str, ...]
    speakers: tuple[str, ...]
    default_speaker: str
    folder: Path


@dataclass(frozen=True)
class BaseMaterial:
    """What a base brings for making voices: its questions (train: may be learned from; dev: for choosing; test: for
    reporting) and rehearsal dialogues (speaker name, turns with speech tokens)."""

    train: tuple[Question, ...]
    dev: tuple[Question, ...]
    test: tuple[Question, ...]
    rehearsal: tuple[tuple[str, tuple[Turn, ...]], ...]


@dataclass(frozen=True)
class TrainOutcome:
    """The adapter's folder and what the run measured; `losses` is (step, speech loss in nats per token) in order.

    `snapshots` are (step, adapter folder) kept on the way for the steps asked for.
    """

    adapter: Path
    steps: int
    seconds: float
    trainable_parameters: int
    losses: tuple[tuple[int, float], ...]
    snapshots: tuple[tuple[int, Path], ...] = ()
    notes: dict[str, float] = field(default_factory=dict[str, float], hash=False)


@dataclass(frozen=True, eq=False)
class SpeechDelta:
    """A piece of a streamed reply: new text, new speech codes, new samples float32 [n] at 24 kHz (each may be empty)."""

    text: str
    codes: tuple[int, ...]
    samples: FloatArray


class SpeakingModel(Protocol):
    """A base model speaking in one voice (or under one of its own speaker names)."""

    @property
    def speaker(self) -> str: ...

    def reply(self, user: str | Waveform, history: Sequence[Turn] = (), seed: int = 0) -> Reply:
        """Answer a typed or spoken question, text and speech tokens interleaved. `history` holds the earlier turns."""
        ...

    def reply_many(self, questions: Sequence[str], seed: int = 0) -> list[Reply]:
        """Greedy answers to many typed questions; the same as one by one."""
        ...

    def speak(self, text: str, seed: int = 0) -> IntArray:
        """Speech tokens int64 [N] of a given text."""
        ...

    def stream(self, user: str | Waveform, history: Sequence[Turn] = (), seed: int = 0) -> Iterator[SpeechDelta]:
        """The reply as it is made; the deltas joined are the whole reply."""
        ...

    def decode(self, tokens: IntArray, prompt: VoicePrompt | None = None) -> Waveform:
        """24 kHz mono audio of speech tokens with this voice's prompt, or with the one given."""
        ...


class BaseModel(Protocol):
    """A loaded base: tokenizer, chat model, decoder, vocoder, prompt format, chosen together by one path or name."""

    @property
    def info(self) -> BaseInfo: ...
    @property
    def prompt(self) -> PromptFormat: ...
    @property
    def material(self) -> BaseMaterial: ...

    def encode_text(self, text: str) -> list[int]: ...
    def decode_text(self, ids: Sequence[int]) -> str: ...

    def encode_speech(self, wave: Waveform) -> IntArray:
        """Speech tokens int64 [N], 0 <= code < prompt.num_codes, at 25 Hz."""
        ...

    def read_speech(self, tokens: IntArray) -> str:
        """What speech tokens say, letters only, by the speech tokenizer's CTC head."""
        ...

    def align(self, wave: Waveform, text: str) -> tuple[tuple[Word, ...], float] | None:
        """Forced alignment with the speech tokenizer's CTC head (an Aligner for any word)."""
        ...

    def copy_synthesis(self, wave: Waveform) -> Waveform:
        """The vocoder's ceiling: waveform -> latents -> waveform, no tokens involved."""
        ...

    def extract_prompt(self, waves: Sequence[Waveform]) -> VoicePrompt:
        """The decoder's voice prompt of a speaker from their clips."""
        ...

    def neutral_prompt(self) -> VoicePrompt:
        """One fixed prompt: with it, only the speech tokens decide how a reply sounds."""
        ...

    def finetune(
        self,
        examples: Sequence[TrainingExample],
        spec: TrainSpec,
        folder: Path,
        report: OnProgress,
        snapshots_at: Sequence[int] = (),
    ) -> TrainOutcome:
        """Fine-tune the chat model (LoRA or full) on examples; resumable: checkpoints live in `folder`."""
        ...

    def adapt_decoder(
        self, waves: Sequence[Waveform], prompt: VoicePrompt, spec: TrainSpec, folder: Path, report: OnProgress
    ) -> Path | None:
        """Fit a few decoder weights to a speaker; the file written, or None when spec.decoder_steps is 0."""
        ...

    def voice(
        self,
        speaker: str,
        prompt: VoicePrompt | None = None,
        adapter: Path | None = None,
        decoder_weights: Path | None = None,
    ) -> SpeakingModel:
        """The base speaking as `speaker`; without adapter and prompt: the un-tuned base under that name."""
        ...

    def text_kl(self, adapter: Path, speaker: str, questions: Sequence[Question]) -> list[float]:
        """Per question: mean KL(base || adapted) in nats over the text positions of the right answer under `speaker`."""
        ...


@dataclass(frozen=True)
class DatasetSummary:
    """How many clips were accepted and rejected, and seconds of accepted speech."""

    accepted: int
    rejected: int
    speech_s: float


class Catalog(Protocol):
    """The SQL catalog. Every method is one transaction."""

    def add_recordings(self, recordings: Sequence[Recording]) -> None: ...
    def add_dataset(self, dataset: Dataset, name: str) -> None: ...
    def add_run(self, run: TrainingRun) -> None: ...
    def add_evaluation(self, evaluation: Evaluation) -> None: ...
    def add_voice(self, voice: Voice) -> None: ...
    def voices(self) -> list[Voice]: ...
    def versions(self, slug: str) -> list[Voice]: ...
    def evaluation(self, evaluation_id: str) -> Evaluation | None: ...
    def run(self, run_id: str) -> TrainingRun | None: ...
    def recordings_of(self, dataset_id: str) -> list[Recording]: ...
    def evaluations_of(self, run_id: str) -> list[Evaluation]:
        """Every evaluation of a run, the oldest first."""
        ...

    def summary_of(self, dataset_id: str) -> DatasetSummary | None: ...
    def database(self) -> tuple[str, str]:
        """(address without password, migration revision); raises CatalogError when it cannot be used."""
        ...

    def remove_voice(self, slug: str) -> int:
        """Forget all versions of a voice and what only they used; returns how many versions there were."""
        ...
