"""What people choose. Frozen pydantic models; unknown keys are an error; a recipe file is one `Recipe` as TOML."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from voicekit.errors import UsageError


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    # Settings that are written only where they were changed: without them a recipe is what it was before they came.
    _later: ClassVar[frozenset[str]] = frozenset()

    def digest(self) -> str:
        """sha256 of the canonical JSON: equal specs have equal digests on every machine."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def _only_changed(self, written: dict[str, Any]) -> dict[str, Any]:
        fields = type(self).model_fields
        return {k: v for k, v in written.items() if k not in self._later or v != fields[k].default}


class PrepareSpec(_Spec):
    """Recordings -> dataset. Lengths in seconds; a clip outside the thresholds is rejected with a reason.

    `min_srmr_db` is about echo (see voicekit.prepare.acoustics), `min_speaker_similarity` the cosine to the other clips,
    `min_heard_match` the share of the script's words that a transcriber heard too (0: only noted), `min_predicted_mos` 1..5.

    `cleaning` of recordings: "auto" goes by what sounds between the words. `num_speakers` 0: found out, in recordings of
    `diarize_from_s` and more; 1: nobody is looked for. `separator`, `diarizer`, `transcriber`: "auto", "embedded", a model's name
    (`voicekit models`) or its folder. The order of the fields is part of every digest.
    """

    language: str = "en"
    transcriber: str = "auto"
    min_clip_s: float = 1.0
    max_clip_s: float = 20.0
    min_snr_db: float = 8.0
    max_clipped_ratio: float = 0.01
    min_script_match: float = 0.5
    target_lufs: float = -23.0
    min_speech_s: float = 20.0
    held_out_ratio: float = 0.1
    max_failed_ratio: float = 0.5
    min_bandwidth_hz: float = 0.0
    min_srmr_db: float = 6.0
    max_overlap_ratio: float = 0.1
    min_speaker_similarity: float = 0.6
    max_speaking_rate_wps: float = 8.0
    min_heard_match: float = 0.0
    min_predicted_mos: float = 0.0
    cleaning: Literal["auto", "none", "denoise", "separate"] = "auto"
    num_speakers: Annotated[int, Field(ge=0)] = 0
    diarize_from_s: float = 30.0
    separator: str = "auto"
    diarizer: str = "auto"

    _later = frozenset(
        {
            "min_bandwidth_hz",
            "min_srmr_db",
            "max_overlap_ratio",
            "min_speaker_similarity",
            "max_speaking_rate_wps",
            "min_heard_match",
            "min_predicted_mos",
            "cleaning",
            "num_speakers",
            "diarize_from_s",
            "separator",
            "diarizer",
            "transcriber",
        }
    )

    @model_serializer(mode="wrap")
    def _older_specs_keep_their_digest(self, plainly: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return self._only_changed(plainly(self))


class Lora(_Spec):
    """Small matrices beside the chat model's own (PEFT). `rslora` scales by alpha / sqrt(rank) (arXiv 2312.03732), `dora` trains
    the length of each weight row too (arXiv 2402.09353), `audio_embeddings` the input embeddings of the speech tokens."""

    kind: Literal["lora"] = "lora"
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    rslora: bool = False
    dora: bool = False
    audio_embeddings: bool = False

    _later = frozenset({"rslora", "dora", "audio_embeddings"})

    @model_serializer(mode="wrap")
    def _older_specs_keep_their_digest(self, plainly: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return self._only_changed(plainly(self))


class Full(_Spec):
    kind: Literal["full"] = "full"


Strategy = Literal["tts", "pseudo_text", "pseudo_masked"]
Precision = Literal["auto", "fp32", "bf16"]


class HarvestSpec(_Spec):
    """Self-harvest: the adapted model says right answers in the new voice; those well said teach a fresh adapter.

    At each step of `rounds_at` (the last first, until `enough` are kept) `questions` are asked and the words of their answers
    given; the speech is the model's own. With fewer than `min_kept` good replies the best ones up to `relaxed_cer` are taken as
    well; if that is not enough, phase 1 is the result. Of replies not well said `held_per_epoch` hold the text alone.
    `passes` > 1 harvests again from the adapter just made. `learning_rate` 0 means that of phase 1.
    """

    enabled: bool = True
    questions: int = 160
    rounds_at: tuple[int, ...] = (70, 100)
    enough: int = 240
    min_kept: int = 20
    f0_tolerance: float = 0.10
    max_cer: float = 0.15
    relaxed_cer: float = 0.30
    passes: int = 1
    steps: int = 90
    learning_rate: float = 0.0
    kept_per_epoch: int = 120
    kept_text_weight: float = 0.0
    text_kl: float = 1.0
    held_per_epoch: int = 40
    new_name_per_epoch: int = 40
    new_name_kl: float = 1.0
    replay_per_epoch: int = 20
    narrative_per_epoch: int = 15


class TrainSpec(_Spec):
    """One adaptation run. `strategy` says what the loss sees of a pseudo-conversation; see voicekit.conversations.

    Per epoch: every recording once, `replay_per_epoch` dialogues of the base in its own voices, and `new_name_per_epoch` of
    them under the new name of which only the text is held (KL to the base, `new_name_kl`). `text_kl` holds the text of the
    pseudo-conversations themselves. Of the recordings `read_share` stands as the answer to a request to read its text, with
    the same mask. `micro_tokens` > 0 splits a batch to save memory; the result is the same. `precision` is that of LoRA's
    matrix products on a CPU (auto: bf16 where the processor multiplies in it by itself).

    `processes` > 1 trains on so many devices of this machine; `sharded`: each keeps only its part of weights, gradients and the
    optimizer's state. `gradient_checkpointing` computes a layer's inner values again
    where they are needed: about a third slower, a fraction of the memory, the same result. `ema_decay` > 0 keeps and delivers a
    running average of the weights. `evaluate_every` steps the recordings set aside (`held_out_share` of them) are looked at, and
    the best state is delivered: the lowest speech loss among those whose text has moved by at most `max_text_drift` (mean
    KL(base || adapted) in nats per text token; 0: any). After `patience` looks without a better one training ends (0: never).
    Every `sample_every` steps the voice so far answers a question aloud, to be listened to (0: not on the way).
    """

    method: Annotated[Lora | Full, Field(discriminator="kind")] = Lora()
    strategy: Strategy = "pseudo_masked"
    steps: int = Field(default=100, ge=1)
    batch_tokens: int = Field(default=1000, ge=1)
    learning_rate: float = 5e-4
    warmup_steps: int = 10
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    micro_tokens: int = 0
    precision: Precision = "auto"
    read_share: float = Field(default=0.0, ge=0, le=1)
    audio_weight: float = 1.0
    text_kl: float = 0.0
    replay_per_epoch: int = 40
    replay_text_weight: float = 1.0
    replay_audio_weight: float = 1.0
    new_name_per_epoch: int = 20
    new_name_kl: float = 1.0
    harvest: HarvestSpec = HarvestSpec()
    decoder_steps: int = 100
    decoder_learning_rate: float = 3e-4
    checkpoint_every: int = Field(default=25, ge=1)
    seed: int = 0
    processes: int = Field(default=1, ge=1)
    gradient_checkpointing: bool = False
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    held_out_share: float = Field(default=0.0, ge=0, le=0.5)
    evaluate_every: int = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0)
    max_text_drift: float = Field(default=0.0, ge=0)
    sample_every: int = Field(default=0, ge=0)
    sharded: bool = False

    _later = frozenset(
        {
            "processes",
            "gradient_checkpointing",
            "ema_decay",
            "held_out_share",
            "evaluate_every",
            "patience",
            "max_text_drift",
            "sample_every",
            "sharded",
        }
    )

    @model_serializer(mode="wrap")
    def _older_specs_keep_their_digest(self, plainly: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return self._only_changed(plainly(self))

    @model_validator(mode="after")
    def _looked_at_only_what_is_set_aside(self) -> TrainSpec:
        if self.evaluate_every and not self.held_out_share:
            raise ValueError("evaluate_every needs held_out_share above 0: recordings that are not learned from")
        if (self.patience or self.max_text_drift) and not self.evaluate_every:
            raise ValueError("patience and max_text_drift need evaluate_every above 0")
        return self


class EvaluateSpec(_Spec):
    """How much is asked and spoken, and what the gate requires.

    `max_wer` is the most of a voice's words that may be misheard, whatever the base does; None: no bound, but a warning.
    `for_checking`: the run is to show that everything works; its voice is never published.
    """

    questions: int = 120
    spoken: int = 40
    seed: int = 0
    min_retention: float = 0.94
    min_cosine_gain: float = 0.05
    max_wer_loss: float = 0.10
    rate_range: tuple[float, float] = (0.75, 1.35)
    max_wer: float | None = None
    for_checking: bool = False

    _later = frozenset({"max_wer", "for_checking"})

    @model_serializer(mode="wrap")
    def _older_specs_keep_their_digest(self, plainly: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return self._only_changed(plainly(self))


class Recipe(_Spec):
    """A complete run. Missing sections take the defaults above."""

    name: str = "lora"
    description: str = ""
    prepare: PrepareSpec = PrepareSpec()
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()


def read_recipe(path: Path) -> Recipe:
    """Read and validate one recipe file; raises UsageError naming the file and the offending key."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"There is no recipe file {path}.", "Name a shipped recipe or an existing TOML file.") from None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise UsageError(f"The recipe {path} is not valid: {error}", "Correct the named key.") from None


class DistilSpec(_Spec):
    """Learning a part that a base lacks from its own decoder (see docs/released-model.md).

    Pairs of speech and tokens: `minutes` of them in `voices` voices, of the base's dialogues, of `replies` of its chat model,
    and of a reading of every line of the file `texts`. `prompts` are files or folders with voice prompts beside the base's own.
    `size` is that of a network with random weights; `init` the folder of a pretrained WavLM instead (tokenizer alone). A tenth
    of the voices and a twelfth of the sequences are held out to measure with.
    """

    minutes: float = Field(default=60.0, gt=0)
    steps: int = Field(default=3000, ge=1)
    reader_steps: int = Field(default=2500, ge=1)
    size: Literal["tiny", "base"] = "tiny"
    init: Path | None = None
    voices: int = Field(default=200, ge=10)
    prompts: tuple[Path, ...] = ()
    replies: int = Field(default=2000, ge=0)
    texts: Path | None = None
    measured: int = Field(default=48, ge=2)
    seed: int = 0


def distil_spec(given: dict[str, Any]) -> DistilSpec:
    """A DistilSpec of what somebody typed; UsageError names the option at fault."""
    paths = {key: given[key] and given[key].expanduser().absolute() for key in ("init", "texts") if key in given}
    prompts = tuple(place.expanduser().absolute() for place in given.get("prompts", ()))
    for place in (*paths.values(), *prompts):
        if place is not None and not place.exists():
            raise UsageError(f"There is no {place}.", "Check the path.")
    try:
        return DistilSpec.model_validate({**given, **paths, "prompts": prompts})
    except ValidationError as error:
        fault = error.errors()[0]
        raise UsageError(f"--{fault['loc'][0]} cannot be {fault['input']!r}: {fault['msg']}.", "Give another value.") from None
