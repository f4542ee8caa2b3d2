"""The data that flows from recordings to voices: frozen, hashable where it can be, without IO.

Ids point backwards only (voice -> run -> dataset -> clips -> recordings). Records hold no open files, tensors or sessions.
Units stand in the names. Text is normalised Unicode (NFC).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicekit.channels import mixed, weights_of
from voicekit.service_records import WORKER_SILENT_S as WORKER_SILENT_S
from voicekit.service_records import ApiKey as ApiKey
from voicekit.service_records import Consent as Consent
from voicekit.service_records import ConsentKind as ConsentKind
from voicekit.service_records import ConsentState as ConsentState
from voicekit.service_records import JobFault as JobFault
from voicekit.service_records import JobState as JobState
from voicekit.service_records import JobStatus as JobStatus
from voicekit.service_records import KeptAnswer as KeptAnswer
from voicekit.service_records import QueuedJob as QueuedJob
from voicekit.service_records import Upload as Upload
from voicekit.service_records import Worker as Worker

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class VoiceState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    REVOKED = "revoked"


class RunState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Waveform:
    """Audio in memory: samples float32 [C, T] in -1..1."""

    samples: FloatArray
    sample_rate_hz: int

    @property
    def num_samples(self) -> int:
        return int(self.samples.shape[-1])

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate_hz

    def mono(self) -> FloatArray:
        """float32 [T]: the mean of the channels that carry the voice (voicekit.channels); of one channel the samples themselves,
        not a copy."""
        if len(self.samples) == 1:
            return self.samples[0]
        return mixed(self.samples, weights_of([self.samples], self.sample_rate_hz))

    def digest(self) -> str:
        """sha256 of rate, shape and samples: `Turn.clip_id` of a spoken turn."""
        header = f"{self.sample_rate_hz} {self.samples.shape}".encode()
        return hashlib.sha256(header + np.ascontiguousarray(self.samples, np.float32).tobytes()).hexdigest()


@dataclass(frozen=True)
class Recording:
    """One file as the user gave it. `id` is the sha256 of its bytes; `path` is relative to the recordings' root."""

    id: str
    path: str
    sample_rate_hz: int
    num_samples: int
    channels: int
    language: str
    speaker_id: str = ""
    consent_id: str = ""


@dataclass(frozen=True)
class Word:
    """One spoken word inside its clip."""

    text: str
    start_s: float
    end_s: float
    confidence: float = 1.0


@dataclass(frozen=True)
class Transcript:
    """What is said in a clip and who says so (`source`: "script", "pocketsphinx 5.1 en-us", ...).

    `heard` is what a transcriber understood where `text` comes from a script ("" if none was asked), `differences` the words in
    which the two differ: (written, heard), "" where one side has none.
    """

    text: str
    words: tuple[Word, ...] = ()
    source: str = "script"
    heard: str = ""
    differences: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Heard:
    """What a transcriber heard: the text as it would be written, its words with their times, the language (BCP-47)."""

    text: str
    words: tuple[Word, ...] = ()
    language: str = ""


@dataclass(frozen=True)
class SpeakerTurn:
    """A stretch of a recording in which one speaker speaks. What a diarizer calls `speaker` is a label of this recording, not a
    name. `recording` is what a file of turns calls it ("" where only one is spoken of)."""

    speaker: str
    start_s: float
    end_s: float
    recording: str = ""
    channel: int = 1


@dataclass(frozen=True)
class Grades:
    """Measured on the clip before loudness normalisation; None is not measured.

    `script_match` is 0..1, 1 = the audio says exactly the text; `heard_match` the share of its words that a transcriber heard.
    `bandwidth_hz` is how far up speech reaches, `srmr_db` the less the more a room rings (voicekit.prepare.acoustics),
    `overlap_ratio` the share of the clip in which two people speak, `speaker_similarity` the cosine to the rest of the dataset.
    """

    snr_db: float
    loudness_lufs: float
    clipped_ratio: float
    speaking_rate_wps: float
    script_match: float
    bandwidth_hz: float | None = None
    srmr_db: float | None = None
    overlap_ratio: float = 0.0
    speaker_similarity: float | None = None
    predicted_mos: float | None = None
    heard_match: float | None = None


@dataclass(frozen=True)
class Clip:
    """A stretch of one recording. `start_sample` and `num_samples` count the recording's own samples.

    `audio` is the cleaned 24 kHz mono file, relative to the dataset's folder ("" for a clip that could not be cut).
    """

    id: str
    recording_id: str
    recording: str
    sample_rate_hz: int
    start_sample: int
    num_samples: int
    audio: str
    duration_s: float
    transcript: Transcript
    grades: Grades
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Dataset:
    """Accepted and rejected clips of one speaker. `id` hashes the content (clips in order, their audio, the spec).

    `train_ids` and `held_out_ids` are split by recording, never inside one; rejected clips are in neither.
    """

    id: str
    spec_hash: str
    clips: tuple[Clip, ...]
    train_ids: tuple[str, ...]
    held_out_ids: tuple[str, ...]
    speech_s: float

    def train(self) -> tuple[Clip, ...]:
        wanted = set(self.train_ids)
        return tuple(c for c in self.clips if c.id in wanted)

    def held_out(self) -> tuple[Clip, ...]:
        wanted = set(self.held_out_ids)
        return tuple(c for c in self.clips if c.id in wanted)


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation. `clip_id` names the recording behind a speaker's turn, or is the `Waveform.digest` of
    what a user said aloud: the voice that answered it still knows how it sounded.
    """

    role: str
    text: str
    clip_id: str = ""
    speech: tuple[int, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """A dialogue to learn from. `speaker` is the name in the system prompt, `strategy` where the context came from.

    `reference` is the name under which the base is asked for what held text is compared with; "" means `speaker`.
    """

    turns: tuple[Turn, ...]
    speaker: str
    strategy: str
    reference: str = ""


@dataclass(frozen=True, eq=False)
class TrainingExample:
    """Token ids with what is learned from them.

    ids int64 [T]; loss_weight float32 [T]: weight of the cross-entropy with which ids[t] is predicted from ids[:t]
    (0 = not learned); kl_weight float32 [T]: weight of the KL divergence to the base model at the same prediction.
    `kind` says where it comes from; kinds beginning with "replay" are left out of the reported speech loss. Examples of
    one `epoch` are shuffled among themselves; epochs are learned in their order. `reference_ids` int64 [T'] are what the base
    sees in place of `ids`: the same from the first held position to the end, under another speaker's name before it.
    """

    ids: IntArray
    loss_weight: FloatArray
    kl_weight: FloatArray
    kind: str = ""
    epoch: int = 0
    reference_ids: IntArray | None = None

    @property
    def seen_by_base(self) -> IntArray:
        return self.ids if self.reference_ids is None else self.reference_ids


@dataclass(frozen=True)
class Question:
    """One evaluation question of a base (or of a user): asked as text, answered exactly when text equals `answer`."""

    text: str
    answer: str
    domain: str = ""


@dataclass(frozen=True, eq=False)
class Reply:
    """What the chat model said: its text, its speech tokens int64 [N] at 25 Hz."""

    text: str
    speech: IntArray
    finished: bool = True


@dataclass(frozen=True, eq=False)
class VoicePrompt:
    """The decoder's half of a voice: tokens int64 [N], latents float32 [4N, 64] normalised, speaker float32 [S]."""

    tokens: IntArray
    latents: FloatArray
    speaker: FloatArray


@dataclass(frozen=True)
class TrainingRun:
    """`code_revision` is the package version (and commit where known). Times are UTC, ISO 8601."""

    id: str
    dataset_id: str
    base_model: str
    base_revision: str
    spec_hash: str
    code_revision: str
    seed: int
    state: RunState
    steps: int
    seconds: float
    loss_first: float
    loss_last: float
    trainable_parameters: int
    started_at: str
    finished_at: str = ""


@dataclass(frozen=True)
class Metric:
    """A value with its 95 % interval; `n` is how many items it rests on."""

    value: float
    low: float
    high: float
    n: int

    def shown_interval(self, digits: int, scale: float = 1.0) -> tuple[str, str] | None:
        """The interval with so many decimals, rounded outwards so that it never looks surer than it is; None if there is none."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return None
        tenth = 10.0**digits
        low = math.floor(scale * self.low * tenth + 1e-6) / tenth
        high = math.ceil(scale * self.high * tenth - 1e-6) / tenth
        return f"{low:.{digits}f}", f"{high:.{digits}f}"


@dataclass(frozen=True)
class Evaluation:
    """Metrics by name (see voicekit.evaluate.METRICS), and the gate's decision.

    `reasons` say why a voice was refused (none if it passed), `advice` what would help, also where it passed narrowly.
    `for_checking`: the run only showed that everything works; its voice is never published.
    """

    id: str
    run_id: str
    seed: int
    metrics: dict[str, Metric] = field(hash=False)
    passed: bool
    reasons: tuple[str, ...]
    advice: tuple[str, ...] = ()
    for_checking: bool = False


@dataclass(frozen=True)
class Voice:
    """One version of a voice: two halves (adapter, voice prompt) versioned together. Paths are relative to VOICEKIT_HOME.

    `decoder_sha256` is "" when the decoder was not adapted. `job_id` hashes what the voice was made from: name,
    recordings, script, spec and base; equal inputs have equal ids. `consent_cosine` is the likeness of the consent's speaker to
    the clips of this version (None: not compared), `revoked_at` when it was taken back ("": it was not).
    """

    slug: str
    version: int
    speaker: str
    run_id: str
    evaluation_id: str
    dataset_id: str
    base_model: str
    folder: str
    adapter_sha256: str
    prompt_sha256: str
    state: VoiceState
    created_at: str
    language: str = "en"
    consent_id: str = ""
    decoder_sha256: str = ""
    job_id: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    consent_cosine: float | None = None
    revoked_at: str = ""


class TextErrors(NamedTuple):
    """Substitutions, deletions and insertions, in words and in characters, and the lengths of the reference."""

    word_errors: int
    num_words: int
    character_errors: int
    num_characters: int

    @property
    def wer(self) -> float:
        """Word error rate; it can exceed 1."""
        return self.word_errors / max(self.num_words, 1)

    @property
    def cer(self) -> float:
        """Character error rate, single spaces between words included; it can exceed 1."""
        return self.character_errors / max(self.num_characters, 1)


@dataclass(frozen=True, eq=False)
class HeardSpeech:
    """One piece of synthetic speech as the instruments found it.

    `cosine` is its likeness to the recordings' speaker; `heard` what the judge understood, with its `errors` against what is
    said; `pitch_hz` float32 [T] is the F0 every 10 ms (0 unvoiced) of its tokens decoded with
    the base's neutral prompt, and `in_voice` whether its mean is within 10 % of the speaker's.
    """

    wave: Waveform
    cosine: float
    heard: str
    errors: TextErrors
    pitch_hz: FloatArray
    in_voice: bool = False


@dataclass(frozen=True, eq=False)
class ReplyRow:
    """One question of an evaluation: both answers, and how they sounded if they were spoken."""

    question: Question
    voice_text: str
    base_text: str
    voice_right: bool
    base_right: bool
    text_kl_nats: float
    voice: HeardSpeech | None = None
    base: HeardSpeech | None = None


@dataclass(frozen=True, eq=False)
class ClipRow:
    """One recording of an evaluation: `cosine` is its likeness to the speaker's other recordings, `heard` what the judge
    understood; `copy` is its copy synthesis."""

    text: str
    wave: Waveform
    cosine: float
    heard: str
    errors: TextErrors
    copy: HeardSpeech


@dataclass(frozen=True, eq=False)
class EvaluationRows:
    """What the metrics of an evaluation rest on. `speaker_f0_hz` is the F0 of the recordings' own tokens, neutrally decoded."""

    replies: tuple[ReplyRow, ...]
    clips: tuple[ClipRow, ...]
    speaker_f0_hz: float
