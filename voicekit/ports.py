"""Protocols of everything heavy or stored. numpy arrays and records cross these borders, never tensors or sessions.

Each has an embedded implementation that needs no download; wiring.py picks. Errors of libraries are turned into
voicekit.errors inside the implementation. What hears recordings is in `instrument_ports`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from voicekit.instrument_ports import Aligner as Aligner
from voicekit.instrument_ports import Diarizer as Diarizer
from voicekit.instrument_ports import LanguageDetector as LanguageDetector
from voicekit.instrument_ports import PitchTracker as PitchTracker
from voicekit.instrument_ports import Quality as Quality
from voicekit.instrument_ports import Reader as Reader
from voicekit.instrument_ports import Reading as Reading
from voicekit.instrument_ports import Separator as Separator
from voicekit.instrument_ports import SpeakerEncoder as SpeakerEncoder
from voicekit.instrument_ports import Transcriber as Transcriber
from voicekit.instrument_ports import VoiceActivityDetector as VoiceActivityDetector
from voicekit.outcomes import SO_FAR as SO_FAR
from voicekit.outcomes import Forecast as Forecast
from voicekit.outcomes import TrainOutcome as TrainOutcome
from voicekit.outcomes import so_far as so_far
from voicekit.prompt import PromptFormat
from voicekit.records import (
    ApiKey,
    Consent,
    Dataset,
    Evaluation,
    FloatArray,
    IntArray,
    JobFault,
    JobState,
    JobStatus,
    KeptAnswer,
    Question,
    QueuedJob,
    Recording,
    Reply,
    TrainingExample,
    TrainingRun,
    Turn,
    Upload,
    Voice,
    VoicePrompt,
    Waveform,
    Word,
    Worker,
)

if TYPE_CHECKING:  # whoever trains needs no recipe files, and none of what reads them
    from voicekit.specs import TrainSpec


@dataclass(frozen=True)
class Progress:
    """One thing that happened in a step. `fraction` is 0..1 of the step; `values` are live numbers (loss, ...).

    `values["step"]` counts training steps over the whole step of the job; `sample` is an audio file spoken on the way.
    """

    step: str
    fraction: float
    message: str = ""
    values: dict[str, float] = field(default_factory=dict[str, float], hash=False)
    sample: str = ""


OnProgress = Callable[[Progress], None]
Tokenized = tuple[Waveform, IntArray]  # a clip and its speech tokens


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
    reporting), rehearsal dialogues (speaker name, turns with speech tokens), and the name under which it answers best."""

    train: tuple[Question, ...]
    dev: tuple[Question, ...]
    test: tuple[Question, ...]
    rehearsal: tuple[tuple[str, tuple[Turn, ...]], ...]
    default_speaker: str = ""


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

    def say_answers(self, questions: Sequence[str], answers: Sequence[str], seed: int = 0) -> list[Reply]:
        """Each answer said in reply to its question: the words are given, the speech is the model's own."""
        ...

    def speak(self, text: str, seed: int = 0) -> IntArray:
        """Speech tokens int64 [N] of a given text."""
        ...

    def hear(self, wave: Waveform) -> str:
        """Remember what a user said aloud; returns the `Turn.clip_id` under which a history may name it."""
        ...

    def speak_stream(self, text: str, seed: int = 0) -> Iterator[SpeechDelta]:
        """What `speak` says, as it is made."""
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

    def encode_clips(self, clips: Iterable[tuple[Waveform, str]]) -> Iterator[IntArray]:
        """The same of one speaker's utterances whose words are known, in order; the first ones may settle how all are heard."""
        ...

    def read_speech(self, tokens: IntArray) -> str:
        """What speech tokens say, letters only, by the speech tokenizer's CTC head."""
        ...

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        """Forced alignment with the speech tokenizer's CTC head (an Aligner for any word)."""
        ...

    def copy_synthesis(self, wave: Waveform) -> Waveform:
        """The vocoder's ceiling: waveform -> latents -> waveform, no tokens involved."""
        ...

    def extract_prompt(self, clips: Sequence[Tokenized]) -> VoicePrompt:
        """The decoder's voice prompt of a speaker from their clips and their speech tokens."""
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
        """Fine-tune the chat model (LoRA or full) on examples; resumable: checkpoints live in `folder`.

        Every `spec.sample_every` steps the adapter stands in `so_far(folder, step)` when the step is reported.
        """
        ...

    def forecast(self, spec: TrainSpec) -> Forecast:
        """What `finetune` would take here for lessons of usual lengths; nothing is trained."""
        ...

    def adapt_decoder(
        self, clips: Sequence[Tokenized], prompt: VoicePrompt, spec: TrainSpec, folder: Path, report: OnProgress
    ) -> Path | None:
        """Fit a few decoder weights to a speaker's clips and their speech tokens; the file written, or None when
        spec.decoder_steps is 0."""
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
        """Per question: mean KL(base || adapted) in nats over the text positions of the right answer; the base is asked under
        its default speaker's name, the adapted model under `speaker`."""
        ...


@dataclass(frozen=True)
class DatasetSummary:
    """How many clips were accepted and rejected, and seconds of accepted speech."""

    accepted: int
    rejected: int
    speech_s: float


class JobLog(Protocol):
    """Jobs as all doors see them, and the workers that carry them out. Every method is one transaction; CatalogAway when the
    database does not answer."""

    def wait_while_away(self, goes_on: Callable[[], bool]) -> None:
        """From now on every method tries again while the database is away and `goes_on`, which waits a moment, says True."""
        ...

    def add_job(self, job: QueuedJob) -> bool:
        """False if the job is known already; it is left as it is."""
        ...

    def job(self, job_id: str) -> QueuedJob | None: ...
    def whole_job_id(self, start: str) -> str:
        """The one id that begins so, or `start` itself if there is none or several."""
        ...

    def jobs(self, owner: str | None = None, state: JobState | None = None, limit: int = 50, before: str = "") -> list[JobStatus]:
        """The newest first; `before` continues after the job of that id, `owner` None means everybody's."""
        ...

    def waiting_jobs(self, queue: str) -> list[JobStatus]:
        """Queued jobs of a queue, the oldest first."""
        ...

    def jobs_of(self, name: str) -> list[JobStatus]:
        """All jobs of a voice's name, the newest first."""
        ...

    def save_job(self, status: JobStatus, attempt: int, among: Collection[JobState]) -> bool:
        """Write a status if the stored job is at that attempt and in one of those states; False if it is not."""
        ...

    def cancel_job(self, job_id: str, now: str) -> bool:
        """False if it is over already."""
        ...

    def requests(self) -> list[QueuedJob]:
        """Every job with what it was asked for."""
        ...

    def remove_job(self, job_id: str) -> None: ...
    def see_worker(self, worker: Worker) -> None: ...
    def keep_worker(self, worker_id: str, seen_at: str) -> bool:
        """A sign of life; False if the worker was declared dead meanwhile."""
        ...

    def workers(self) -> list[Worker]: ...
    def remove_worker(self, worker_id: str) -> bool:
        """False if somebody else removed it."""
        ...


class AccessBook(Protocol):
    """Consents, API keys, uploads, and answers kept for idempotency keys. Every method is one transaction."""

    def save_consent(self, consent: Consent) -> None:
        """Adds it, or brings the known one of that id up to date."""
        ...

    def consent(self, consent_id: str) -> Consent | None: ...
    def consents(self, owner: str | None = None) -> list[Consent]: ...
    def remove_consent(self, consent_id: str, now: str) -> None:
        """Forget a consent: every version that rests on it is revoked, and no voice or job names it any more."""
        ...

    def save_key(self, key: ApiKey) -> None:
        """Adds it, or brings the known one of that id up to date."""
        ...

    def keys(self) -> list[ApiKey]: ...
    def key_with(self, sha256: str) -> ApiKey | None:
        """The key of which the secret has that hash, revoked or not."""
        ...

    def add_upload(self, upload: Upload) -> None: ...
    def upload(self, upload_id: str) -> Upload | None: ...
    def uploads(self, owner: str) -> list[Upload]: ...
    def remove_upload(self, upload_id: str) -> None: ...
    def claim_answer(self, answer: KeptAnswer) -> KeptAnswer | None:
        """None: the key was free and is now this request's. Else what is kept under it (status 0: still being worked on)."""
        ...

    def save_answer(self, answer: KeptAnswer) -> None: ...
    def remove_answer(self, key: str, owner: str, route: str) -> None: ...
    def remove_answers_about(self, ids: Sequence[str]) -> None:
        """Forget every kept answer that names one of these ids."""
        ...


class Catalog(JobLog, AccessBook, Protocol):
    """The SQL catalog. Every method is one transaction."""

    def add_recordings(self, recordings: Sequence[Recording]) -> None: ...
    def add_dataset(self, dataset: Dataset, name: str) -> None: ...
    def add_run(self, run: TrainingRun) -> None: ...
    def add_evaluation(self, evaluation: Evaluation) -> None: ...
    def add_voice(self, voice: Voice) -> None: ...
    def voices(self) -> list[Voice]: ...
    def versions(self, slug: str) -> list[Voice]: ...
    def every_version(self) -> list[Voice]: ...
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


class JobSource(Protocol):
    """What a runner needs to know of jobs (voicekit.jobs.Jobs)."""

    def steps(self) -> Sequence[str]:
        """The keys of a job's steps in order."""
        ...

    def log_file(self, job_id: str) -> Path: ...
    def open(self, queue: str) -> bool:
        """Whether a queue has jobs that wait or run."""
        ...

    def waiting(self, queue: str) -> Sequence[JobStatus]:
        """Queued jobs, the oldest first."""
        ...

    def begin(self, job_id: str, attempt: int, step: str) -> bool:
        """A step is about to be carried out; False if the job is not wanted any more."""
        ...

    def wanted(self, job_id: str, attempt: int) -> bool:
        """False once the job was cancelled, removed, or is being tried again."""
        ...

    def fail(self, job_id: str, attempt: int, fault: JobFault) -> None:
        """The step at hand went wrong."""
        ...


class JobRunner(Protocol):
    """Carries out jobs durably: a step that is finished is not done again, whatever is killed."""

    def run(self, jobs: JobSource, until_idle: bool = False) -> None:
        """Until SIGTERM or SIGINT, or until no job is left."""
        ...

    def forget(self, jobs: Mapping[str, int]) -> None:
        """Nothing is kept of these jobs any more: how often each was tried, by id."""
        ...
