"""The models and instruments an App works with, given to it by wiring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicekit.models import ModelState
from voicekit.ports import (
    Aligner,
    BaseModel,
    Diarizer,
    OnProgress,
    PitchTracker,
    Quality,
    Separator,
    SpeakerEncoder,
    Transcriber,
    VoiceActivityDetector,
)

if TYPE_CHECKING:
    from voicekit.results import BaseReport, DistilledPart
    from voicekit.specs import DistilSpec


@dataclass(frozen=True)
class Engines:
    """What wiring chose, opened when first needed.

    `find_base` turns what a user typed into a name or an absolute folder that `open_base` takes, or raises MissingModel;
    `device` says in words where models run. `judge` hears how intelligible speech is, and knows nothing of what is said: the
    embedded recogniser, whatever transcribes recordings, so that numbers can be compared. `base_revision` is what
    `open_base(...).info.revision` will be, without opening it. `queue` is the kind of this machine's device: cpu or gpu.
    `phones` pronounces the words of a language; None for one it does not know.

    `separator`, `diarizer` and `transcriber` are asked by choice: "auto", "embedded", a known model's name or a folder (see
    `voicekit.models.chosen_folder`). `denoiser` takes noise away, whatever the choice. `models` says what is there,
    `fetch_model` downloads one by name.

    `workers` is how many clips are made at once.

    `check_base` and `convert_base` look at a base's files without opening it, and write them anew to a folder. `distil` learns a
    part ("tokenizer" or "prompts") from a base's decoder and puts it into the base, or into its copy in a folder.
    """

    find_base: Callable[[str], str]
    open_base: Callable[[str], BaseModel]
    device: Callable[[], str]
    vad: Callable[[], VoiceActivityDetector]
    aligners: Callable[[BaseModel], Sequence[Aligner]]
    speaker_encoder: Callable[[], SpeakerEncoder]
    judge: Callable[[], Transcriber]
    pitch: Callable[[], PitchTracker]
    base_revision: Callable[[str], str]
    queue: Callable[[], str]
    check_base: Callable[[str], BaseReport]
    convert_base: Callable[[str, Path], BaseReport]
    distil: Callable[[str, str, Path | None, DistilSpec, OnProgress], DistilledPart]
    denoiser: Callable[[], Separator]
    separator: Callable[[str], Separator]
    diarizer: Callable[[str], Diarizer]
    transcriber: Callable[[str], Transcriber]
    quality: Callable[[], Quality]
    models: Callable[[], Sequence[ModelState]]
    fetch_model: Callable[[str, OnProgress], Path]
    phones: Callable[[str], Callable[[str], Sequence[str] | None] | None] = lambda _: None
    workers: int = 1
