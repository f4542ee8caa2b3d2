"""Looking at the clips of a draft before anything is trained: made once, judged by the machine. A person decides on them as on
any prepared folder (voicekit.curation)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicekit import audio
from voicekit.drafts import Drafts
from voicekit.engines import Engines
from voicekit.errors import InputError
from voicekit.ports import BaseModel, OnProgress
from voicekit.prepare import Given, load_notes
from voicekit.prepare.decisions import FILE
from voicekit.prepare.decisions import Decision as Decision
from voicekit.prepare.folder import made_of
from voicekit.prepare.hearing import Speaker as Speaker
from voicekit.prepare.hearing import Wanted
from voicekit.prepare.intake import input_files
from voicekit.prepare.matching import marked as marked
from voicekit.prepare.readings import Reading as Reading
from voicekit.prepare.readings import readings as readings
from voicekit.prepare.readings import reason_in_words as reason_in_words
from voicekit.prepare.review import Reviewed as Reviewed
from voicekit.prepare.summary import Summary as Summary
from voicekit.prepare.summary import kind_of as kind_of
from voicekit.prepare.summary import summarise
from voicekit.prepare.workbench import METHOD
from voicekit.preparing import desk_of, prepare_with, speakers_of
from voicekit.records import Clip, Waveform
from voicekit.shipped import shipped
from voicekit.specs import PrepareSpec, Recipe, read_recipe
from voicekit.storage import read_json, tree_sha256, write_json

_MADE_OF = "made-of.json"


@dataclass(frozen=True)
class Review:
    """All clips of a draft, what they are together, the settings they are judged by, and everybody who was found in recordings of
    several speakers. `undoable` and `redoable` are what can be taken back and done again."""

    clips: tuple[Reviewed, ...]
    summary: Summary
    notes: tuple[str, ...]
    spec: PrepareSpec
    speakers: tuple[Speaker, ...]
    undoable: Decision | None
    redoable: Decision | None

    @property
    def accepted(self) -> int:
        return self.summary.accepted


class Reviewer:
    """The clips of the drafts in one home. `open_base` gives the base new voices are made of."""

    def __init__(self, drafts: Drafts, engines: Engines, open_base: Callable[[], BaseModel]) -> None:
        self._drafts = drafts
        self._engines = engines
        self._open_base = open_base

    def recipe(self, draft_id: str) -> Recipe:
        """What the voice is made by, from the first cut to the training. However much of what was uploaded is broken: each file
        is shown with its fault, and does not stop the others."""
        draft = self._drafts.get(draft_id)
        recipe = read_recipe(shipped("recipes") / f"{draft.recipe}.toml")
        prepare = recipe.prepare.model_copy(update={"language": draft.language, "max_failed_ratio": 1.0})
        return recipe.model_copy(update={"prepare": prepare})

    def make(self, draft_id: str, report: OnProgress) -> Review:
        """Cut, align and grade what was uploaded; what was done before is not done again."""
        base, folder = self._open_base(), self._drafts.dataset(draft_id)
        spec, inputs = self.recipe(draft_id).prepare, self._inputs(draft_id)
        whose = Wanted(self._drafts.reference(draft_id))
        given = Given(self._drafts.recordings(draft_id), self._drafts.script(draft_id), whose=whose)
        prepare_with(self._engines, base, given, spec, folder, report, strict=False)
        # What came meanwhile is not among the clips.
        write_json(folder / _MADE_OF, {"inputs": inputs})
        return self.show(draft_id)

    def is_made(self, draft_id: str) -> bool:
        """Whether the clips are those of what is uploaded now."""
        folder = self._drafts.dataset(draft_id)
        return read_json(folder / _MADE_OF).get("inputs") == self._inputs(draft_id)

    def show(self, draft_id: str) -> Review:
        """The clips with what was decided so far; raises InputError when they were not made yet."""
        folder, language = self._drafts.dataset(draft_id), self._drafts.get(draft_id).language
        desk = desk_of(self._engines, self._open_base, folder)
        rows, made = desk.rows(), made_of(folder)
        spec, speakers = made.prepare_spec(), tuple(speakers_of(self._engines, folder))
        summary = summarise([r.clip for r in rows], spec, self._engines.phones(language), made.with_less)
        return Review(rows, summary, load_notes(folder), spec, speakers, *desk.pending())

    def sound(self, draft_id: str, clip: Clip) -> Waveform:
        """The cleaned clip as the models hear it."""
        if not clip.audio:
            raise InputError("There is no sound of this clip.", "Record it again and upload it.")
        return audio.read(self._drafts.dataset(draft_id) / clip.audio)

    def _inputs(self, draft_id: str) -> str:
        folder, script = self._drafts.recordings(draft_id), self._drafts.script(draft_id)
        # All that may lie beside recordings; decisions about the clips do not make them others.
        recordings = tree_sha256(folder, without=(FILE,), of=input_files(folder)) if folder.exists() else ""
        parts = [recordings, tree_sha256(script) if script else ""]
        whose = [name] if (name := self._drafts.get(draft_id).reference) else []
        return "-".join([METHOD, *parts, self.recipe(draft_id).prepare.digest(), *whose])
