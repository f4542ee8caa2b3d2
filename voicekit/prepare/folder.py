"""What lies in a dataset's folder:

dataset.json       id, split, seconds, notes
clips.jsonl        one line a clip, rejected ones with their reason; its text, words and grades stand in the line
recordings.jsonl   the files they come from
clips/*.flac       24 kHz mono, at the target loudness
work               what makes a second call continue and lets clips be decided on: unpacked zip, journals,
                   made.json (what the clips were made of), machine.jsonl (the clips before anybody decided)
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from voicekit import files, manifest
from voicekit.errors import InputError
from voicekit.prepare.decisions import Decision
from voicekit.prepare.text_sources import TextSources
from voicekit.records import Clip, Dataset, Recording, SpeakerTurn
from voicekit.specs import PrepareSpec
from voicekit.storage import copy_file

FACTS = "dataset.json"
CLIPS = "clips.jsonl"
RECORDINGS = "recordings.jsonl"
WORK = "work"
SOUNDS, CLEANED = "clips", "cleaned"
_FLAT = ("transcript", "grades")


@dataclass(frozen=True)
class DatasetFile:
    """dataset.json: a Dataset without its clips, and remarks for people. `by_hand` are the clips that somebody changed or decided
    on, `decided` those of which a person's verdict holds (None: written before that was told apart); `decisions` the digest of
    what was decided, `with_less` says what was done without, `texts` where the recordings' texts are from."""

    id: str
    spec_hash: str
    train_ids: tuple[str, ...]
    held_out_ids: tuple[str, ...]
    speech_s: float
    notes: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    decisions: str = ""
    with_less: tuple[str, ...] = ()
    texts: TextSources = field(default_factory=TextSources)
    decided: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Made:
    """What the clips of a folder were made of. `spec` is JSON; `log` is the list of decisions, `before` those that came with the
    recordings; `reference` a sound of the wanted speaker and `label` what a diarizer calls them ("" if not given); `models` what
    did each step; `turns` who speaks when, by a recording's id, where somebody wrote it down."""

    recordings: str
    spec: str
    log: str
    before: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    with_less: tuple[str, ...] = ()
    reference: str = ""
    label: str = ""
    models: dict[str, str] = field(default_factory=dict[str, str])
    turns: dict[str, tuple[SpeakerTurn, ...]] = field(default_factory=dict[str, tuple[SpeakerTurn, ...]])
    texts: TextSources = field(default_factory=TextSources)

    def prepare_spec(self) -> PrepareSpec:
        return PrepareSpec.model_validate_json(self.spec)


def load_dataset(folder: Path) -> Dataset:
    """The dataset that prepare_dataset left in `folder`; raises InputError if it is not complete."""
    facts = load_facts(folder)
    clips = manifest.read_records(folder / CLIPS, Clip, flat=_FLAT)
    return Dataset(facts.id, facts.spec_hash, clips, facts.train_ids, facts.held_out_ids, facts.speech_s)


def load_recordings(folder: Path) -> tuple[Recording, ...]:
    """The recordings behind a dataset's clips, each once; unreadable ones have no samples."""
    return manifest.read_records(folder / RECORDINGS, Recording)


def load_notes(folder: Path) -> tuple[str, ...]:
    """Remarks on a dataset for people: a split that was impossible, names in the script that fit nothing."""
    return load_facts(folder).notes


def load_facts(folder: Path) -> DatasetFile:
    if not (folder / FACTS).is_file():
        raise InputError(f"There is no dataset in {folder}.", "Prepare the recordings first.")
    return manifest.read_record(folder / FACTS, DatasetFile)


def write_dataset(folder: Path, dataset: Dataset, facts: DatasetFile) -> None:
    """Clips first: a dataset.json always has its clips beside it."""
    manifest.write_records(folder / CLIPS, dataset.clips, flat=_FLAT)
    manifest.write_record(folder / FACTS, facts)


def write_made(folder: Path, made: Made, machine: tuple[Clip, ...]) -> None:
    manifest.write_records(folder / WORK / "machine.jsonl", machine)
    manifest.write_record(folder / WORK / "made.json", made)


def load_made(folder: Path) -> tuple[Made, tuple[Clip, ...]]:
    """What the clips were made of, and they themselves as the machine left them; raises InputError where that is not known."""
    return made_of(folder), manifest.read_records(folder / WORK / "machine.jsonl", Clip)


def made_of(folder: Path) -> Made:
    """What the clips were made of, without them; raises InputError where that is not known."""
    path = folder / WORK / "made.json"
    if not path.is_file():
        load_facts(folder)
        remedy = "Prepare the recordings again: voicekit prepare RECORDINGS -o FOLDER."
        raise InputError(f"The dataset in {folder} is finished: what its clips were cut from is not kept.", remedy)
    return manifest.read_record(path, Made)


def take_over(made: Path, folder: Path) -> None:
    """Begin the dataset in `folder` with what was found out in another: whoever makes it of the same recordings with the same
    settings finds everything done. What does not fit is passed over. May be done again after a kill.

    Sounds are never written in place, so they are linked. Journals grow: each folder has its own.
    """
    for sound in [*(made / SOUNDS).glob("*.flac"), *(made / WORK / CLEANED).glob("*.flac")]:
        target = folder / sound.relative_to(made)
        if not target.exists():
            copy_file(sound, target)
    for journal in (made / WORK).glob("*.jsonl"):
        target = folder / WORK / journal.name
        if not target.exists():
            with files.beside(target) as beside:
                shutil.copyfile(journal, beside)
