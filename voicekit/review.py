"""Looking at the clips of a draft before anything is trained: made once, judged by the machine, decided by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit import audio
from voicekit.drafts import Drafts
from voicekit.engines import Engines
from voicekit.errors import InputError, UsageError
from voicekit.ports import BaseModel, OnProgress
from voicekit.prepare import decisions, prepare_dataset
from voicekit.prepare.dataset import load_dataset, load_notes, realigning
from voicekit.prepare.decisions import Decision, decided, place_of, read_decisions, write_decisions
from voicekit.records import Clip, Verdict, Waveform, Word
from voicekit.shipped import shipped
from voicekit.specs import Recipe, read_recipe
from voicekit.storage import read_json, tree_sha256, write_json

_ENOUGH_S, _GOOD_S = 60.0, 180.0
_MADE_OF = "made-of.json"

Aligned = tuple[tuple[Word, ...], float] | None


@dataclass(frozen=True)
class Reviewed:
    """One clip as it stands; `by_hand` if a person decided about it, `machine` what was found without them."""

    clip: Clip
    by_hand: bool
    machine: Clip


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
        self._realigned: dict[tuple[str, str], Aligned] = {}

    def recipe(self, draft_id: str) -> Recipe:
        draft = self._drafts.get(draft_id)
        recipe = read_recipe(shipped("recipes") / f"{draft.recipe}.toml")
        return recipe.model_copy(update={"prepare": recipe.prepare.model_copy(update={"language": draft.language})})

    def make(self, draft_id: str, report: OnProgress) -> Review:
        """Cut, align and grade what was uploaded; what was done before is not done again."""
        base, folder = self._open_base(), self._drafts.dataset(draft_id)
        recordings, script = self._drafts.recordings(draft_id), self._drafts.script(draft_id)
        # The machine's verdicts alone, and however little there is: this is for looking at it.
        spec = self.recipe(draft_id).prepare.model_copy(update={"min_speech_s": 0.0, "max_failed_ratio": 1.0})
        vad, aligners = self._engines.vad(), self._engines.aligners(base)
        prepare_dataset(recordings, script, spec, folder, vad, aligners, report, languages=base.info.languages, by_hand=False)
        write_json(folder / _MADE_OF, {"inputs": self._inputs(draft_id)})
        return self.show(draft_id)

    def is_made(self, draft_id: str) -> bool:
        """Whether the clips are those of what is uploaded now."""
        folder = self._drafts.dataset(draft_id)
        return read_json(folder / _MADE_OF).get("inputs") == self._inputs(draft_id)

    def show(self, draft_id: str) -> Review:
        """The clips with what was decided so far; raises InputError when they were not made yet."""
        folder, recordings = self._drafts.dataset(draft_id), self._drafts.recordings(draft_id)
        dataset = load_dataset(folder)
        chosen = read_decisions(recordings)
        now, _ = decided(dataset.clips, chosen, self._realign(draft_id, folder))
        places = {d.place for d in chosen}
        rows = tuple(Reviewed(c, place_of(c) in places, m) for c, m in zip(now, dataset.clips, strict=True))
        return Review(rows, load_notes(folder), advice(rows, self.recipe(draft_id).prepare.min_speech_s))

    def decide(self, draft_id: str, clip_id: str, verdict: Verdict | None = None, text: str | None = None) -> Review:
        """A person's verdict or text for a clip; what is not given stays as it was decided."""
        recordings, clip = self._drafts.recordings(draft_id), self._machine_clip(draft_id, clip_id)
        chosen = {d.place: d for d in read_decisions(recordings)}
        now = chosen.get(place_of(clip), Decision(*place_of(clip)))
        if verdict is not None:
            now = replace(now, verdict=verdict)
        if text is not None:
            if not text.strip():
                raise UsageError("A clip needs a text.", "Write what is said in it, or leave the clip out.")
            now = replace(now, text="" if text.strip() == clip.transcript.text else text.strip())
        if verdict is Verdict.ACCEPTED and not clip.audio:
            raise UsageError("There is no sound of this clip.", "Record it again and upload it.")
        chosen[now.place] = now
        write_decisions(recordings, [d for d in chosen.values() if d.verdict is not None or d.text])
        return self.show(draft_id)

    def undo(self, draft_id: str, clip_id: str) -> Review:
        """The machine's verdict and the script's text again."""
        recordings, place = self._drafts.recordings(draft_id), place_of(self._machine_clip(draft_id, clip_id))
        write_decisions(recordings, [d for d in read_decisions(recordings) if d.place != place])
        return self.show(draft_id)

    def sound(self, draft_id: str, clip: Clip) -> Waveform:
        """The cleaned clip as the models hear it."""
        if not clip.audio:
            raise InputError("There is no sound of this clip.", "Record it again and upload it.")
        return audio.read(self._drafts.dataset(draft_id) / clip.audio)

    def _machine_clip(self, draft_id: str, clip_id: str) -> Clip:
        found = next((c for c in load_dataset(self._drafts.dataset(draft_id)).clips if c.id == clip_id), None)
        if found is None:
            raise UsageError("This clip is no longer there.", "Prepare the recordings again.")
        return found

    def _realign(self, draft_id: str, folder: Path) -> decisions.Realign:
        """Alignments of edited texts, each made once while this process lives."""

        def realign(clip: Clip, text: str) -> Aligned:
            key = (clip.id, text)
            if key not in self._realigned:
                language, base = self._drafts.get(draft_id).language, self._open_base()
                self._realigned[key] = realigning(folder, language, self._engines.aligners(base))(clip, text)
            return self._realigned[key]

        return realign

    def _inputs(self, draft_id: str) -> str:
        folder, script = self._drafts.recordings(draft_id), self._drafts.script(draft_id)
        kinds = audio.SUFFIXES | {".txt", ".lab", ".tsv"}
        parts = [tree_sha256(folder, kinds) if folder.exists() else "", tree_sha256(script) if script else ""]
        return "-".join([*parts, self.recipe(draft_id).prepare.digest()])


def advice(rows: tuple[Reviewed, ...], needed_s: float) -> tuple[str, ...]:
    """What would help, in words."""
    usable_s = sum(r.clip.duration_s for r in rows if r.clip.verdict is Verdict.ACCEPTED)
    says: list[str] = []
    if usable_s < needed_s:
        says.append(f"Record at least {needed_s - usable_s:.0f} s more: {needed_s:.0f} s of usable speech are the least.")
    elif usable_s < _ENOUGH_S:
        says.append(f"It will work, but {_GOOD_S / 60:.0f} minutes make a much better voice than {usable_s:.0f} s.")
    elif usable_s < _GOOD_S:
        says.append(f"{(_GOOD_S - usable_s) / 60:.1f} minutes more would make the voice steadier.")
    reasons = Counter(r.clip.reason.split(":")[0] for r in rows if r.clip.verdict is Verdict.REJECTED and not r.by_hand)
    says += [f"{count} × {reason}: {_CURES[reason]}" for reason, count in reasons.most_common() if reason in _CURES]
    questions = sum(r.clip.transcript.text.rstrip().endswith("?") for r in rows)
    if len(rows) >= 20 and questions < len(rows) / 40:
        says.append("There are hardly any questions among the sentences; a few let the voice learn how its speaker asks.")
    return tuple(says)


_CURES = {
    "too quiet against noise": "record in a quieter room, nearer to the microphone.",
    "clipped": "turn the recording level down; the loudest moments are cut off.",
    "script does not match": "listen to them and correct the text, or leave them out.",
    "too short": "read whole sentences in one go.",
    "too long": "leave a short pause between sentences.",
    "no speech in it": "these files are silent; leave them out.",
    "the script has no text for it": "write what is said in them.",
}
