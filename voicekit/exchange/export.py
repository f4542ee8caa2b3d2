"""A dataset's folder -> a new folder in another form, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from voicekit import files
from voicekit.errors import InputError, UsageError
from voicekit.exchange.audiofolder import write_audiofolder
from voicekit.exchange.ljspeech import write_ljspeech
from voicekit.exchange.textgrids import write_textgrids
from voicekit.prepare import load_dataset, load_recordings
from voicekit.prepare.intake import EXPORT_MARK
from voicekit.prepare.rttm import write_rttm
from voicekit.records import Clip, Dataset, Recording, SpeakerTurn, Verdict
from voicekit.timebase import samples_to_seconds

_SPEAKER = "speaker"  # of recordings that do not say whose they are
FORMS = ("ljspeech", "hf", "textgrid", "rttm")


@dataclass(frozen=True)
class Exported:
    """What was written where: so many clips (or speaker turns)."""

    folder: Path
    form: str
    count: int
    what: str = "clips"

    def as_json(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "form": self.form, self.what.replace(" ", "_"): self.count}


def export_dataset(folder: Path, form: str, out: Path) -> Exported:
    """Write the dataset in `folder` to `out`, which must be new or empty; one of FORMS.

    "hf" holds every clip that has a sound, with its verdict; the others the accepted ones. Killed and run again, it begins
    again. Raises UsageError, and InputError for what is no dataset or cannot be said in that form.
    """
    if form not in FORMS:
        raise UsageError(f"{form!r} is no form that datasets are written in.", f"Choose one of {', '.join(FORMS)}.")
    out = out.absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} is there already, and not an empty folder.", "Name a new folder.")
    dataset = _checked(load_dataset(folder))
    unfinished = out.with_name(f".{out.name}.unfinished")
    with files.writing(out):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        made = replace(_write(dataset, folder, form, unfinished), folder=out)
        if form != "rttm":  # which holds no sound
            files.write_text(unfinished / EXPORT_MARK, f"Written by voicekit dataset export ({form}).\n")
        os.replace(unfinished, out)
    return made


def _write(dataset: Dataset, folder: Path, form: str, out: Path) -> Exported:
    accepted = [c for c in dataset.clips if c.verdict is Verdict.ACCEPTED]
    if not accepted and form != "hf":
        raise InputError(f"The dataset in {folder} has no accepted clip.", "Record more, or accept some by hand.")
    match form:
        case "ljspeech":
            return Exported(out, form, write_ljspeech(accepted, folder, out))
        case "hf":
            return Exported(out, form, write_audiofolder(dataset, folder, out))
        case "textgrid":
            return Exported(out, form, write_textgrids(accepted, load_recordings(folder), folder, out))
        case _:
            turns = _turns_of(accepted, load_recordings(folder))
            write_rttm(out / "turns.rttm", turns)
            return Exported(out, form, len(turns), "speaker turns")


def _turns_of(clips: Iterable[Clip], recordings: Sequence[Recording]) -> list[SpeakerTurn]:
    """A turn a clip, as the clips lie in their recordings."""
    speakers = {r.id: r.speaker_id for r in recordings}
    turns: list[SpeakerTurn] = []
    for clip in clips:
        start, end = (
            samples_to_seconds(n, clip.sample_rate_hz) for n in (clip.start_sample, clip.start_sample + clip.num_samples)
        )
        turns.append(SpeakerTurn(speakers.get(clip.recording_id) or _SPEAKER, start, end, clip.recording))
    return turns


def _checked(dataset: Dataset) -> Dataset:
    """Ids become names of files: a dataset from elsewhere must not lead out of its folder."""
    for clip in dataset.clips:
        audio = PurePosixPath(clip.audio)
        if not _is_name(clip) or audio.is_absolute() or ".." in audio.parts:
            raise InputError(f"The clip {clip.id!r} ({clip.audio!r}) leads out of the dataset.", "Prepare the recordings again.")
    return dataset


def _is_name(clip: Clip) -> bool:
    return re.fullmatch(r"[\w.-]+", clip.id) is not None and not clip.id.startswith(".")
