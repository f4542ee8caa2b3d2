"""The part of the App in which recordings become a dataset by itself, and its clips are heard and decided on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from voicekit.errors import UsageError
from voicekit.ports import OnProgress
from voicekit.prepare import load_dataset, load_notes
from voicekit.prepare.compare import Comparison as Comparison
from voicekit.prepare.compare import compare
from voicekit.prepare.decisions import Decision
from voicekit.prepare.folder import made_of
from voicekit.prepare.hearing import Speaker as Speaker
from voicekit.prepare.intake import is_dataset
from voicekit.prepare.readings import reason_in_words as reason_in_words
from voicekit.prepare.review import Desk
from voicekit.prepare.review import Reviewed as Reviewed
from voicekit.prepare.summary import Summary
from voicekit.prepare.text_sources import TextSources as TextSources
from voicekit.preparing import SpeakerSample as SpeakerSample
from voicekit.preparing import desk_of, find_speakers, prepare_with, speakers_of
from voicekit.records import Clip, Dataset
from voicekit.request import existing, find_recipe, handed_in
from voicekit.shelf import Shelf, silent
from voicekit.specs import PrepareSpec, Recipe
from voicekit.storage import enough_room


@dataclass(frozen=True)
class Prepared:
    """A dataset on disk with what there is to say about it."""

    folder: Path
    dataset: Dataset
    summary: Summary
    notes: tuple[str, ...]
    speakers: tuple[Speaker, ...]
    models: dict[str, str]
    texts: TextSources = field(default_factory=TextSources)


class Curation(Shelf):
    """Every method takes the folder of a prepared dataset; clips are named by their id or the beginning of it."""

    def prepare(
        self,
        recordings: Path | str,
        folder: Path | str,
        *,
        script: Path | str | None = None,
        reference: Path | str | None = None,
        speaker: str = "",
        turns: Path | str | None = None,
        language: str = "",
        recipe: str | Recipe = "lora",
        cleaning: str = "",
        num_speakers: int | None = None,
        report: OnProgress = silent,
    ) -> Prepared:
        """Recordings and script become a dataset in `folder`, however little speech it holds. The same call again continues.

        `reference` is a sound file of the wanted speaker, `speaker` what a diarizer or RTTM calls them (see `speakers`): clips of
        other voices are rejected. `turns` is an RTTM file of who speaks when, besides those that lie beside recordings.
        `cleaning` and `num_speakers` go before the recipe's (see PrepareSpec). Raises InputError, UsageError, ResourceError;
        nothing that was finished is lost.
        """
        target, base = _folder(folder), self._base()
        _check_folder(target, Path(recordings).expanduser().absolute())
        spec = _with(find_recipe(recipe, language).prepare, cleaning, num_speakers)
        given = handed_in(recordings, script, turns, reference, speaker)
        with enough_room(self._home, "run the same command again."):
            prepare_with(self._engines, base, given, spec, target, report, strict=False, must_speak=False)
        return self.dataset(target)

    def dataset(self, folder: Path | str) -> Prepared:
        """A prepared dataset as it stands, with everything that was decided."""
        target = _folder(folder)
        desk, made = self._desk(target), made_of(target)
        spec = made.prepare_spec()
        dataset = desk.dataset()
        summary, speakers = desk.summary(self._engines.phones(spec.language)), speakers_of(self._engines, target)
        return Prepared(target, dataset, summary, load_notes(target), tuple(speakers), made.models, made.texts)

    def clips(self, folder: Path | str) -> tuple[Reviewed, ...]:
        return self._desk(folder).rows()

    def clip(self, folder: Path | str, clip_id: str) -> Clip:
        return self._desk(folder).clip(clip_id)

    def accept_clip(self, folder: Path | str, clip_id: str) -> Dataset:
        """Use a clip whatever the machine thinks of it."""
        return self._desk(folder).accept(clip_id)

    def reject_clip(self, folder: Path | str, clip_id: str) -> Dataset:
        """Leave a clip out."""
        return self._desk(folder).reject(clip_id)

    def edit_clip(self, folder: Path | str, clip_id: str, text: str) -> Dataset:
        """What is really said in a clip; its words are found anew."""
        return self._desk(folder).edit(clip_id, text)

    def split_clip(self, folder: Path | str, clip_id: str, at_s: float | None = None, word: int | None = None) -> Dataset:
        """Two clips of one, in the pause nearest to `at_s` or before its `word` (counted from 1)."""
        return self._desk(folder).split(clip_id, at_s, word)

    def join_clip(self, folder: Path | str, clip_id: str) -> Dataset:
        """One clip of a clip and the next of its recording."""
        return self._desk(folder).join(clip_id)

    def realign_clip(self, folder: Path | str, clip_id: str) -> Dataset:
        """Look for a clip's words with every aligner and take the best match."""
        return self._desk(folder).realign(clip_id)

    def reset_clip(self, folder: Path | str, clip_id: str) -> Dataset:
        """The machine's verdict and the script's text again for a clip as it is cut now."""
        return self._desk(folder).reset(clip_id)

    def undo_decision(self, folder: Path | str) -> tuple[Dataset, Decision]:
        """Take the last decision back."""
        return self._desk(folder).undo()

    def redo_decision(self, folder: Path | str) -> tuple[Dataset, Decision]:
        """Do again what was undone last."""
        return self._desk(folder).redo()

    def compare_datasets(self, first: Path | str, second: Path | str) -> Comparison:
        """What the second dataset has other than the first."""
        return compare(load_dataset(_folder(first)), load_dataset(_folder(second)))

    def speakers(
        self,
        recordings: Path | str,
        folder: Path | str,
        num_speakers: int | None = None,
        report: OnProgress = silent,
        turns: Path | str | None = None,
    ) -> list[SpeakerSample]:
        """Who speaks in each recording, who speaks most first; a few seconds of each are written into `folder`."""
        spec = _with(find_recipe("lora", "").prepare, "", num_speakers)
        told = None if turns is None else existing(turns, "file of turns")
        given = existing(recordings, "recordings")
        return find_speakers(self._engines, given, _folder(folder), spec, report, told, of_one_set=True)

    def _desk(self, folder: Path | str) -> Desk:
        return desk_of(self._engines, self._base, _folder(folder))


def _with(spec: PrepareSpec, cleaning: str, num_speakers: int | None) -> PrepareSpec:
    chosen: dict[str, object] = {"cleaning": cleaning} if cleaning else {}
    if num_speakers is not None:
        chosen["num_speakers"] = num_speakers
    return spec.model_copy(update=chosen)


def _check_folder(target: Path, recordings: Path) -> None:
    """UsageError for a place in which a dataset cannot be made without losing what is there."""
    if target.is_file():
        raise UsageError(f"{target} is a file.", "Name a folder for the dataset.")
    if target.is_dir() and recordings.exists() and target.resolve() == recordings.resolve():
        raise UsageError(f"{target} holds the recordings themselves.", "Name another folder for the dataset, a new one.")
    if target.is_dir() and not is_dataset(target) and any(p for p in target.iterdir() if not p.name.startswith(".")):
        left = [p.name for p in target.iterdir() if p.name != "work"]
        if left:
            problem = f"{target} is not empty, and holds no dataset: there is {sorted(left)[0]}."
            raise UsageError(problem, "Name a new folder, or an empty one.")


def _folder(path: Path | str) -> Path:
    return Path(path).expanduser().absolute()
