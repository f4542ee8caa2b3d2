"""Looking at the clips of a draft before anything is trained: made once, judged by the machine, decided by a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicekit import audio
from voicekit.drafts import Drafts
from voicekit.engines import Engines
from voicekit.errors import InputError
from voicekit.ports import BaseModel, OnProgress
from voicekit.prepare import load_notes
from voicekit.prepare.decisions import FILE
from voicekit.prepare.intake import SCRIPT_SUFFIXES
from voicekit.prepare.review import Desk
from voicekit.prepare.review import Reviewed as Reviewed
from voicekit.prepare.workbench import METHOD
from voicekit.preparing import desk_of, prepare_with
from voicekit.records import Clip, Verdict, Waveform
from voicekit.shipped import shipped
from voicekit.specs import Recipe, read_recipe
from voicekit.storage import read_json, tree_sha256, write_json

_MADE_OF = "made-of.json"


@dataclass(frozen=True)
class Review:
    """All clips of a draft. `advice` says what to record more of, the most useful first."""

    clips: tuple[Reviewed, ...]
    notes: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def usable_s(self) -> float:
        return sum(r.clip.duration_s for r in self.clips if r.clip.verdict is Verdict.ACCEPTED)

    @property
    def accepted(self) -> int:
        return sum(r.clip.verdict is Verdict.ACCEPTED for r in self.clips)


class Reviewer:
    """The clips of the drafts in one home. `open_base` gives the base new voices are made of."""

    def __init__(self, drafts: Drafts, engines: Engines, open_base: Callable[[], BaseModel]) -> None:
        self._drafts = drafts
        self._engines = engines
        self._open_base = open_base

    def recipe(self, draft_id: str) -> Recipe:
        draft = self._drafts.get(draft_id)
        recipe = read_recipe(shipped("recipes") / f"{draft.recipe}.toml")
        return recipe.model_copy(update={"prepare": recipe.prepare.model_copy(update={"language": draft.language})})

    def make(self, draft_id: str, report: OnProgress) -> Review:
        """Cut, align and grade what was uploaded; what was done before is not done again."""
        base, folder = self._open_base(), self._drafts.dataset(draft_id)
        # However little there is, and however much of it is broken: this is for looking at it.
        spec = self.recipe(draft_id).prepare.model_copy(update={"max_failed_ratio": 1.0})
        recordings, script = self._drafts.recordings(draft_id), self._drafts.script(draft_id)
        prepare_with(self._engines, base, recordings, script, spec, folder, report, strict=False)
        write_json(folder / _MADE_OF, {"inputs": self._inputs(draft_id)})
        return self.show(draft_id)

    def is_made(self, draft_id: str) -> bool:
        """Whether the clips are those of what is uploaded now."""
        folder = self._drafts.dataset(draft_id)
        return read_json(folder / _MADE_OF).get("inputs") == self._inputs(draft_id)

    def show(self, draft_id: str) -> Review:
        """The clips with what was decided so far; raises InputError when they were not made yet."""
        desk = self.desk(draft_id)
        language = self._drafts.get(draft_id).language
        return Review(
            desk.rows(), load_notes(self._drafts.dataset(draft_id)), desk.summary(self._engines.phones(language)).advice
        )

    def desk(self, draft_id: str) -> Desk:
        """Where the clips of a draft are decided on one by one."""
        return desk_of(self._engines, self._open_base, self._drafts.dataset(draft_id))

    def decide(self, draft_id: str, clip_id: str, verdict: Verdict | None = None, text: str | None = None) -> Review:
        """A person's verdict or text for a clip; what is not given stays as it was decided."""
        desk = self.desk(draft_id)
        if text is not None:
            desk.edit(clip_id, text)
        if verdict is not None:
            (desk.accept if verdict is Verdict.ACCEPTED else desk.reject)(clip_id)
        return self.show(draft_id)

    def reset(self, draft_id: str, clip_id: str) -> Review:
        """The machine's verdict and the script's text again."""
        self.desk(draft_id).reset(clip_id)
        return self.show(draft_id)

    def sound(self, draft_id: str, clip: Clip) -> Waveform:
        """The cleaned clip as the models hear it."""
        if not clip.audio:
            raise InputError("There is no sound of this clip.", "Record it again and upload it.")
        return audio.read(self._drafts.dataset(draft_id) / clip.audio)

    def _inputs(self, draft_id: str) -> str:
        folder, script = self._drafts.recordings(draft_id), self._drafts.script(draft_id)
        # All that may lie beside recordings; decisions about the clips do not make them others.
        kinds = audio.SUFFIXES | SCRIPT_SUFFIXES
        parts = [tree_sha256(folder, kinds, without=(FILE,)) if folder.exists() else "", tree_sha256(script) if script else ""]
        return "-".join([METHOD, *parts, self.recipe(draft_id).prepare.digest()])
