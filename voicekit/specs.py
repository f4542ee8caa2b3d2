"""What people choose. Frozen pydantic models; unknown keys are an error; a recipe file is one `Recipe` as TOML."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicekit.errors import UsageError


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def digest(self) -> str:
        """sha256 of the canonical JSON: equal specs have equal digests on every machine."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class PrepareSpec(_Spec):
    """Recordings -> dataset. Lengths in seconds; a clip outside the thresholds is rejected with a reason."""

    language: str = "en"
    min_clip_s: float = 0.8
    max_clip_s: float = 15.0
    min_snr_db: float = 8.0
    max_clipped_ratio: float = 0.01
    min_script_match: float = 0.5
    target_lufs: float = -23.0
    min_speech_s: float = 20.0
    held_out_ratio: float = 0.1
    max_failed_ratio: float = 0.5


class Lora(_Spec):
    kind: Literal["lora"] = "lora"
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Full(_Spec):
    kind: Literal["full"] = "full"


Strategy = Literal["tts", "pseudo_text", "pseudo_masked"]


class HarvestSpec(_Spec):
    """Self-harvest: the adapted model answers training questions in the new voice; good replies teach a fresh adapter."""

    enabled: bool = True
    questions: int = 160
    rounds_at: tuple[int, ...] = (60, 90, 120)
    f0_tolerance: float = 0.10
    max_cer: float = 0.15
    steps: int = 120
    kept_per_epoch: int = 120
    text_kl: float = 1.0


class TrainSpec(_Spec):
    """One adaptation run. `strategy` says what the loss sees of a pseudo-conversation; see voicekit.conversations."""

    method: Annotated[Lora | Full, Field(discriminator="kind")] = Lora()
    strategy: Strategy = "pseudo_masked"
    steps: int = 140
    batch_tokens: int = 1500
    learning_rate: float = 5e-4
    warmup_steps: int = 10
    weight_decay: float = 0.01
    replay_per_epoch: int = 40
    text_kl: float = 0.0
    harvest: HarvestSpec = HarvestSpec()
    decoder_steps: int = 150
    decoder_learning_rate: float = 3e-4
    checkpoint_every: int = 25
    seed: int = 0


class EvaluateSpec(_Spec):
    """How much is asked and spoken, and what the gate requires."""

    questions: int = 120
    spoken: int = 40
    seed: int = 0
    min_retention: float = 0.94
    min_cosine_gain: float = 0.05
    max_wer_loss: float = 0.10
    rate_range: tuple[float, float] = (0.75, 1.35)


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
