"""Settings -> App: the only place that picks implementations, by explicit match. Everything is opened when first needed."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from voicekit.app import App
from voicekit.engines import Engines
from voicekit.errors import MissingModel, UsageError
from voicekit.models import CATALOGUE, EMBEDDED, Step, chosen_folder, known_model, states
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
from voicekit.results import BaseReport, DistilledPart
from voicekit.settings import Settings
from voicekit.shipped import shipped, shipped_model
from voicekit.specs import DistilSpec
from voicekit.storage import base_revision
from voicekit.workplace import make_private

if TYPE_CHECKING:
    from voicekit.backends.whisper import WhisperTranscriber

NANO = "nano"
WHISPER = "whisper-base"
_MOST_WORKERS = 8
MARKS = ("base.json", "config.json")


def open_app(settings: Settings | None = None) -> App:
    """The App of these settings, or of the environment's (VOICEKIT_HOME, VOICEKIT_DATABASE_URL, ...)."""
    from voicekit.backends.durable import DurableRunner
    from voicekit.catalog.store import SqlCatalog
    from voicekit.catalog.units import beside

    chosen = settings or _settings()
    if chosen.home.exists():  # who only looks leaves nothing; the catalog makes it when something is kept
        make_private(chosen.home)
    catalog, parts = SqlCatalog(chosen.catalog_url()), engines(chosen)
    here = {"VOICEKIT_HOME": str(chosen.home), "VOICEKIT_DATABASE_URL": chosen.catalog_url(), "VOICEKIT_DEVICE": chosen.device}
    here |= {"VOICEKIT_BASE": chosen.base, "VOICEKIT_THREADS": str(chosen.threads)}
    here |= {"VOICEKIT_MODELS": str(chosen.models_folder()), "VOICEKIT_REQUIRE_CONSENT": str(chosen.require_consent).lower()}
    command = [sys.executable, "-m", "voicekit.step"]
    runner = DurableRunner(catalog, beside(chosen.catalog_url()), command, here, parts.queue, lambda: device_lock(parts.device()))
    return App(chosen.home, catalog, parts, chosen.base, runner, chosen.require_consent)


def queue_of(device: str) -> str:
    """The queue of the jobs that a device like "cpu" or "cuda:1" takes."""
    return "cpu" if device == "cpu" else "gpu"


def device_lock(device: str) -> Path | None:
    """A GPU takes one worker, whatever home it works for; a processor can be shared."""
    name = device.partition(",")[0]
    if name == "cpu":
        return None
    return Path(tempfile.gettempdir()) / f"voicekit-{name if ':' in name else name + ':0'}.lock"


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        fault = error.errors()[0]
        name = f"VOICEKIT_{'_'.join(str(part) for part in fault['loc'])}".upper()
        raise UsageError(f"{name} cannot be {fault['input']!r}: {fault['msg']}.", "Correct or unset it.") from None


def engines(settings: Settings) -> Engines:
    """The implementations on the device of the settings; each is opened once. What hears messy recordings is real where its
    model is there or asked for, else embedded."""
    models = settings.models_folder()

    @cache
    def device() -> str:
        from voicekit.backends import device as devices

        return devices.pick(settings.device, settings.threads)

    def device_in_words() -> str:
        from voicekit.backends import device as devices

        return devices.in_words(device())

    @cache
    def open_base(reference: str) -> BaseModel:
        from voicekit.covo import load_base

        return load_base(base_folder(reference, settings.home), device())

    @cache
    def revision_of(reference: str) -> str:
        return base_revision(base_folder(reference, settings.home))

    vad, speaker_encoder = cache(_vad), cache(_speaker_encoder)

    heavy = _by_choice(settings, device, vad)
    workers = _workers(settings.threads)
    judge: Callable[[], WhisperTranscriber] = partial(heavy(Step.TRANSCRIPTION), EMBEDDED)
    aligners = cache(lambda: _aligners(workers, judge()))

    return Engines(
        find_base=lambda wanted: find_base(wanted, settings.home),
        open_base=open_base,
        device=device_in_words,
        vad=vad,
        aligners=lambda base: [*aligners(), base],
        speaker_encoder=speaker_encoder,
        judge=judge,
        pitch=cache(_pitch),
        base_revision=revision_of,
        check_base=lambda reference: _look_at(base_folder(reference, settings.home)),
        convert_base=lambda reference, out: _made_anew(base_folder(reference, settings.home), out),
        distil=lambda part, reference, out, spec, report: _distilled(
            part, base_folder(reference, settings.home), out, spec, judge(), device(), report
        ),
        queue=lambda: queue_of(device()),
        phones=cache(_phones),
        denoiser=cache(_denoiser),
        separator=heavy(Step.SEPARATION),
        diarizer=heavy(Step.DIARIZATION),
        transcriber=heavy(Step.TRANSCRIPTION),
        quality=cache(_quality),
        models=lambda: states(models, _installed()),
        fetch_model=lambda name, report: _fetched(name, models / name, report),
        workers=workers,
    )


def _workers(threads: int) -> int:
    """How much is done at once: as many `threads` as are wanted, or else the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(threads or cores, _MOST_WORKERS)


def _fetched(name: str, folder: Path, report: OnProgress) -> Path:
    from voicekit.backends.fetching import fetch

    return fetch(known_model(name), folder, report)


def _look_at(folder: Path) -> BaseReport:
    from voicekit.covo.check import examine

    return examine(folder)


def _made_anew(folder: Path, out: Path) -> BaseReport:
    from voicekit.covo.convert import convert

    lost = convert(folder, out)
    return replace(_look_at(out), not_kept=lost)


def _distilled(
    part: str, folder: Path, out: Path | None, spec: DistilSpec, judge: Transcriber, device: str, report: OnProgress
) -> DistilledPart:
    match part:
        case "tokenizer":
            from voicekit.covo.distillation.distil import distil_tokenizer

            return distil_tokenizer(folder, out, spec, judge, device, report)
        case _:
            from voicekit.covo.distillation.prompts import distil_prompts

            return distil_prompts(folder, out, spec, device, report)


def find_base(wanted: str, home: Path) -> str:
    """A base's name if it has one, else its absolute folder. MissingModel if it is not there."""
    if _is_base(base_folder(wanted, home)):
        return wanted
    folder = Path(wanted).expanduser().absolute()
    if _is_base(folder):
        return str(folder)
    if wanted == NANO:
        raise MissingModel(
            "The embedded base model nano is not in this installation.",
            "Get the complete package or repository, or build it: make nano.",
        )
    raise MissingModel(
        f"There is no base model {wanted!r}.",
        f"Give nano or a folder with a {' or a '.join(MARKS)}, or put one at {home / 'bases' / wanted}."
        if folder.name == wanted
        else f"Give a folder with a {' or a '.join(MARKS)}.",
    )


def _is_base(folder: Path) -> bool:
    """One of voicekit's has a card; a released one has only the chat model's configuration."""
    return any((folder / name).is_file() for name in MARKS)


def base_folder(reference: str, home: Path) -> Path:
    """Where a base lies: embedded, in the home, or where an absolute path says."""
    return shipped("assets/nano") if reference == NANO else home / "bases" / reference


def _vad() -> VoiceActivityDetector:
    from voicekit.backends.vad import SileroVad

    return SileroVad()


def _aligners(workers: int, whisper: WhisperTranscriber) -> list[Aligner]:
    """English by its known words, other languages by Whisper's attention; the rest is left to the base's own ears."""
    from voicekit.backends.alignment import PocketsphinxAligner
    from voicekit.backends.whisper_alignment import WhisperAligner

    english = PocketsphinxAligner(workers)
    return [english, WhisperAligner(whisper.model, WHISPER, english.languages)]


def _speaker_encoder() -> SpeakerEncoder:
    from voicekit.backends.speaker import Ge2eSpeakerEncoder

    return Ge2eSpeakerEncoder()


def _pitch() -> PitchTracker:
    from voicekit.backends.pitch import WorldPitch

    return WorldPitch()


def _phones(language: str) -> Callable[[str], Sequence[str] | None] | None:
    """Of English words alone."""
    if language.replace("_", "-").split("-")[0].lower() != "en":
        return None
    from voicekit.backends.phones import EnglishPhones

    return EnglishPhones()


def _denoiser() -> Separator:
    from voicekit.backends.denoise import DeepFilterNet

    return DeepFilterNet()


def _by_choice(
    settings: Settings, device: Callable[[], str], vad: Callable[[], VoiceActivityDetector]
) -> Callable[[Step], Callable[[str], Any]]:
    """Of a step: what opens the choice for it. Kept by folder, not by choice: a model that was fetched meanwhile is found."""

    @cache
    def opened(step: Step, folder: Path | None) -> Any:
        return _heavy(step, folder, device, vad, settings.threads)

    def of(step: Step) -> Callable[[str], Any]:
        return lambda choice: opened(step, chosen_folder(step, choice, settings.models_folder(), _installed()))

    return of


def _heavy(
    step: Step, folder: Path | None, device: Callable[[], str], vad: Callable[[], VoiceActivityDetector], threads: int
) -> Separator | Diarizer | Transcriber:
    """What does a step: with the model in `folder`, or embedded."""
    match step, folder:
        case Step.SEPARATION, None:
            return _denoiser()
        case Step.SEPARATION, Path():
            from voicekit.backends.separation import DemucsSeparator

            return DemucsSeparator(folder, device())
        case Step.DIARIZATION, None:
            from voicekit.backends.diarization import EmbeddedDiarizer
            from voicekit.backends.segmentation import PyanNetSegmentation
            from voicekit.backends.speaker import Ge2eSpeakerEncoder

            workers = _workers(threads)
            return EmbeddedDiarizer(
                vad(), Ge2eSpeakerEncoder(), PyanNetSegmentation(shipped_model("segmentation"), workers), workers
            )
        case Step.DIARIZATION, Path():
            from voicekit.backends.pyannote_diarization import PyannoteDiarizer

            return PyannoteDiarizer(folder, device())
        case Step.TRANSCRIPTION, Path():
            from voicekit.backends.whisper import WhisperTranscriber

            return WhisperTranscriber(folder, device(), threads)
        case _:
            from voicekit.backends.whisper import WhisperTranscriber

            return WhisperTranscriber(shipped_model(WHISPER), device(), threads)


def _quality() -> Quality:
    """The predictor where its package is installed."""
    from voicekit.backends.dnsmos import DnsmosQuality, NoQuality

    return DnsmosQuality() if "speechmos" in _installed() else NoQuality()


def _installed() -> tuple[str, ...]:
    """The packages of outside models that are there."""
    return tuple(package for package in {known.package for known in CATALOGUE} if _has(package))


def _has(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
