"""Outside models that voicekit can use for messy recordings: facts as data, and which of them are there.

Nothing is downloaded unless somebody asks for it by name. A model is a folder with its files; each step works without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from voicekit.errors import MissingModel, UsageError

AUTO, EMBEDDED = "auto", "embedded"


class Step(StrEnum):
    SEPARATION = "separation"
    DIARIZATION = "diarization"
    TRANSCRIPTION = "transcription"
    QUALITY = "quality"


class Cleaning(StrEnum):
    """What is done to a recording before it is cut."""

    NONE = "none"
    DENOISE = "denoise"
    SEPARATE = "separate"


@dataclass(frozen=True)
class KnownModel:
    """A model as its makers publish it. `files` must be there for it to work, relative to its folder.

    From `repository` (of huggingface.co) what matches `files` and `wanted` is fetched; from `urls` each file by itself, with
    the first digits of its sha256. A `bundled` one comes inside the Python package and is never fetched. What is no better than
    the embedded default is used `by_name_only`. `brings` says what is better with it than without.
    """

    name: str
    step: Step
    licence: str
    megabytes: int
    package: str
    page: str
    brings: str
    files: tuple[str, ...] = ()
    repository: str = ""
    wanted: tuple[str, ...] = ()
    urls: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    gated: bool = False
    bundled: bool = False
    by_name_only: bool = False


_DEMUCS = "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer"
_WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json")


def _whisper(size: str, megabytes: int, brings: str, owner: str = "Systran", by_name_only: bool = False) -> KnownModel:
    repository = f"{owner}/faster-whisper-{size}"
    return KnownModel(
        name=f"faster-whisper-{size}",
        step=Step.TRANSCRIPTION,
        licence="MIT",
        megabytes=megabytes,
        package="faster-whisper",
        page=f"https://huggingface.co/{repository}",
        brings=brings,
        files=_WHISPER_FILES,
        repository=repository,
        wanted=("preprocessor_config.json", "vocabulary.*"),
        by_name_only=by_name_only,
    )


# Of one step, the first that is there is used.
CATALOGUE: tuple[KnownModel, ...] = (
    KnownModel(
        name="htdemucs",
        step=Step.SEPARATION,
        licence="MIT",
        megabytes=84,
        package="demucs",
        page="https://github.com/adefossez/demucs",
        brings="takes music away, too",
        files=("htdemucs.yaml", "955717e8-8726e21a.th"),
        urls=((f"{_DEMUCS}/955717e8-8726e21a.th", "8726e21a"),),
        texts=(("htdemucs.yaml", "models: ['955717e8']\n"),),
    ),
    KnownModel(
        name="speaker-diarization-community-1",
        step=Step.DIARIZATION,
        licence="CC-BY-4.0",
        megabytes=34,
        package="pyannote.audio",
        page="https://huggingface.co/pyannote/speaker-diarization-community-1",
        brings="more speakers, and shorter turns, told apart",
        files=(
            "config.yaml",
            "segmentation/pytorch_model.bin",
            "embedding/pytorch_model.bin",
            "plda/plda.npz",
            "plda/xvec_transform.npz",
        ),
        repository="pyannote/speaker-diarization-community-1",
        gated=True,
    ),
    _whisper("large-v3-turbo", 1620, "nearly as good as large-v3, several times as fast", "mobiuslabsgmbh"),
    _whisper("large-v3", 3090, "the fewest words wrong, above all in languages other than English; slow without a GPU"),
    _whisper("medium", 1530, "English about as good as large-v3, other languages less"),
    _whisper("small", 486, "about a third fewer English words wrong than the bundled base, other languages more so"),
    _whisper("base", 148, "the bundled one in float16: no better", by_name_only=True),
    _whisper("tiny", 78, "faster, with more words wrong", by_name_only=True),
    KnownModel(
        name="dnsmos",
        step=Step.QUALITY,
        licence="MIT",
        megabytes=9,
        package="speechmos",
        page="https://pypi.org/project/speechmos",
        brings="the quality that listeners would give a clip, predicted",
        bundled=True,
    ),
)


@dataclass(frozen=True)
class EmbeddedModel:
    """What is bundled for a step, and how good it is. Its size is that of its files; 0: there is none."""

    name: str
    good_for: str
    licence: str = ""
    megabytes: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.good_for}"


# What does a step as long as none of the models is there.
EMBEDDED_DEFAULTS: dict[Step, EmbeddedModel] = {
    Step.SEPARATION: EmbeddedModel("DeepFilterNet 3", "takes noise of any kind away, of music little", "MIT or Apache-2.0", 9),
    Step.DIARIZATION: EmbeddedModel(
        "speaker clustering",
        "good for two to five speakers (Resemblyzer's voice encoder; pyannote's segmentation where two speak)",
        "Apache-2.0, MIT",
        9,
    ),
    Step.TRANSCRIPTION: EmbeddedModel(
        "Whisper base, int8", "99 languages; of a clean English reader 3 % of the words are wrong", "MIT", 77
    ),
    Step.QUALITY: EmbeddedModel("none", "clips are judged by noise, clipping and script alone"),
}


@dataclass(frozen=True)
class ModelState:
    """A known model on this machine: where it is looked for, what is missing there, whether its package is installed."""

    model: KnownModel
    folder: Path
    missing: tuple[str, ...]
    installed: bool
    instead: EmbeddedModel

    @property
    def ready(self) -> bool:
        return self.installed and not self.missing

    @property
    def chosen_automatically(self) -> bool:
        return not (self.model.bundled or self.model.by_name_only)


def states(folder: Path, installed: Sequence[str]) -> tuple[ModelState, ...]:
    """Every known model with what of it lies below `folder`; `installed` are the packages that can be imported."""
    return tuple(
        ModelState(known, place, missing_files(known, place), known.package in installed, EMBEDDED_DEFAULTS[known.step])
        for known in CATALOGUE
        for place in [folder / known.name]
    )


def missing_files(known: KnownModel, folder: Path) -> tuple[str, ...]:
    return tuple(name for name in known.files if not (folder / name).is_file())


def known_model(name: str) -> KnownModel:
    """UsageError with the names there are."""
    for known in CATALOGUE:
        if known.name == name:
            return known
    raise UsageError(f"No model is called {name!r}.", f"There are: {', '.join(k.name for k in CATALOGUE)}.")


def chosen_folder(step: Step, choice: str, folder: Path, installed: Sequence[str]) -> Path | None:
    """The folder of the model that does a step; None for the embedded default.

    `choice` is "auto" (the first known model that is complete, if its package is installed), "embedded", the name of a
    model, or a folder: below `folder` (VOICEKIT_MODELS), or anywhere. MissingModel says which files to put where.
    """
    match choice:
        case "" | "auto":
            ready = [s for s in states(folder, installed) if s.model.step is step and s.ready and s.chosen_automatically]
            return ready[0].folder if ready else None
        case "embedded":
            return None
        case _:
            return _named(step, choice, folder)


def _named(step: Step, choice: str, folder: Path) -> Path:
    known = next((k for k in CATALOGUE if k.name == choice), None)
    if known is not None:
        if known.step is not step:
            raise UsageError(f"{choice} is a model for {known.step}, not for {step}.", f"Take {_names(step)}.")
        if missing := missing_files(known, folder / choice):
            raise MissingModel(f"The model {choice} is not there.", where_to_put(known, folder / choice, missing))
        return folder / choice
    for place in (folder / choice, Path(choice).expanduser()):
        if place.is_dir():
            return place.absolute()
    raise MissingModel(
        f"There is no model {choice!r} for {step}.", f"Give a folder that exists, {AUTO}, {EMBEDDED}, or {_names(step)}."
    )


def where_to_put(known: KnownModel, folder: Path, missing: Sequence[str]) -> str:
    """What somebody has to do who has no network here."""
    fetch = f"Fetch it: voicekit models fetch {known.name} ({known.megabytes} MB, {known.licence})"
    gate = f", after accepting the conditions on {known.page} and setting HF_TOKEN" if known.gated else ""
    return f"{fetch}{gate}. Or put {', '.join(missing)} from {known.page} into {folder}."


def _names(step: Step) -> str:
    return " or ".join(k.name for k in CATALOGUE if k.step is step and not k.bundled) or "none"
