"""The part of the App in which recordings become a dataset by itself, and its clips are heard and decided on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voicekit.errors import UsageError
from voicekit.ports import OnProgress
from voicekit.prepare import load_dataset, load_notes, prepare_dataset
from voicekit.prepare.clips import Tools
from voicekit.prepare.compare import Comparison as Comparison
from voicekit.prepare.compare import compare
from voicekit.prepare.dataset import tools_for
from voicekit.prepare.decisions import Decision
from voicekit.prepare.folder import load_made
from voicekit.prepare.review import Desk
from voicekit.prepare.review import Reviewed as Reviewed
from voicekit.prepare.summary import Summary
from voicekit.prepare.workbench import Instruments
from voicekit.records import Clip, Dataset
from voicekit.request import existing, find_recipe
from voicekit.shelf import Shelf, silent
from voicekit.specs import Recipe
from voicekit.storage import enough_room


@dataclass(frozen=True)
class Prepared:
    """A dataset on disk with what there is to say about it."""

    folder: Path
    dataset: Dataset
    summary: Summary
    notes: tuple[str, ...]


class Curation(Shelf):
    """Every method takes the folder of a prepared dataset; clips are named by their id or the beginning of it."""

    def prepare(
        self,
        recordings: Path | str,
        folder: Path | str,
        *,
        script: Path | str | None = None,
        speaker: Path | str | None = None,
        language: str = "",
        recipe: str | Recipe = "lora",
        report: OnProgress = silent,
    ) -> Prepared:
        """Recordings and script become a dataset in `folder`, however little speech it holds. The same call again continues.

        `speaker` is a sound file of the wanted speaker: clips of another voice are rejected. Raises InputError, UsageError,
        ResourceError; nothing that was finished is lost.
        """
        target, base = _folder(folder), self._base()
        if target.is_file():
            raise UsageError(f"{target} is a file.", "Name a folder for the dataset.")
        with enough_room(self._home, "run the same command again."):
            prepare_dataset(
                existing(recordings, "recordings"),
                None if script is None else existing(script, "script"),
                find_recipe(recipe, language).prepare,
                target,
                self._engines.vad(),
                self._engines.aligners(base),
                report,
                languages=base.info.languages,
                speaker=self._engines.speaker_encoder(),
                reference=None if speaker is None else existing(speaker, "sound of the speaker"),
                strict=False,
            )
        return self.dataset(target)

    def dataset(self, folder: Path | str) -> Prepared:
        """A prepared dataset as it stands, with everything that was decided."""
        target = _folder(folder)
        desk, spec = self._desk(target), load_made(target)[0].prepare_spec()
        dataset = desk.dataset()
        return Prepared(target, dataset, desk.summary(self._engines.phones(spec.language)), load_notes(target))

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

    def undo_decision(self, folder: Path | str) -> tuple[Dataset, Decision]:
        """Take the last decision back."""
        return self._desk(folder).undo()

    def redo_decision(self, folder: Path | str) -> tuple[Dataset, Decision]:
        """Do again what was undone last."""
        return self._desk(folder).redo()

    def compare_datasets(self, first: Path | str, second: Path | str) -> Comparison:
        """What the second dataset has other than the first."""
        return compare(load_dataset(_folder(first)), load_dataset(_folder(second)))

    def _desk(self, folder: Path | str) -> Desk:
        target = _folder(folder)
        return Desk(target, Instruments(lambda: self._tools(target), self._engines.speaker_encoder))

    def _tools(self, folder: Path) -> Tools:
        language = load_made(folder)[0].prepare_spec().language
        return tools_for(language, self._engines.vad(), self._engines.aligners(self._base()))


def _folder(path: Path | str) -> Path:
    return Path(path).expanduser().absolute()
