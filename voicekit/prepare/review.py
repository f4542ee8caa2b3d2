"""The clips of a prepared folder, to be heard and decided on. A decision is kept before the dataset is made anew, so that a
killed process loses none; who looks next finds the dataset that the decisions make."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from voicekit import audio
from voicekit.errors import UsageError
from voicekit.prepare import decisions
from voicekit.prepare.dataset import held_decisions, settle
from voicekit.prepare.decisions import Action, Decision, place_of
from voicekit.prepare.edits import joined_place, next_to_join
from voicekit.prepare.folder import WORK, Made, load_dataset, load_facts, made_of
from voicekit.prepare.loudness import loudness_of
from voicekit.prepare.spoken import normalise, spoken_form
from voicekit.prepare.summary import Phones, Summary, summarise
from voicekit.prepare.unsaid import cleaned, unclear
from voicekit.prepare.workbench import Instruments
from voicekit.records import Clip, Dataset
from voicekit.storage import locked
from voicekit.timebase import samples_to_seconds, seconds_to_samples, utc

_WAIT_S = 30.0
_GONE = "It may have been split or joined since; look at the clips that are there now (voicekit dataset list DATASET)."


@dataclass(frozen=True)
class Reviewed:
    """One clip as it stands; `by_hand` if its verdict is a person's, `changed` if a person changed it or decided on it."""

    clip: Clip
    by_hand: bool
    changed: bool


class Desk:
    """One prepared folder and what decisions about it need. Every method that decides returns the dataset it made."""

    def __init__(self, folder: Path, instruments: Instruments) -> None:
        self._folder = folder
        self._instruments = instruments

    def dataset(self) -> Dataset:
        """The dataset with everything that was decided; raises InputError if there is none."""
        if (self._folder / WORK / "made.json").is_file():
            made = made_of(self._folder)
            facts = load_facts(self._folder)
            if facts.decided is None or facts.decisions != decisions.digest(held_decisions(made)):
                with self._alone():
                    return settle(self._folder, self._instruments)
        return load_dataset(self._folder)

    def rows(self) -> tuple[Reviewed, ...]:
        clips = self.dataset().clips
        facts = load_facts(self._folder)
        decided, changed = set(facts.decided or ()), set(facts.by_hand)
        return tuple(Reviewed(clip, clip.id in decided, clip.id in changed) for clip in clips)

    def summary(self, phones: Phones | None = None) -> Summary:
        clips = self.dataset().clips
        made = self._made()
        return summarise(clips, made.prepare_spec(), phones, made.with_less)

    def pending(self) -> tuple[Decision | None, Decision | None]:
        """What UNDO would take back and what REDO would do again; None for nothing."""
        if not (self._folder / WORK / "made.json").is_file():
            return None, None
        log = decisions.read_log(Path(self._made().log))
        return decisions.undoable(log), decisions.redoable(log)

    def clip(self, clip_id: str) -> Clip:
        """The clip of an id, or of the only id that begins so; raises UsageError."""
        clips = self.dataset().clips
        found = [c for c in clips if c.id == clip_id] or [c for c in clips if clip_id and c.id.startswith(clip_id)]
        if not found:
            raise UsageError(f"There is no clip {clip_id!r} in this dataset.", _GONE)
        if len(found) > 1:
            raise UsageError(f"{len(found)} clips begin with {clip_id!r}.", "Write more of the id.")
        return found[0]

    def accept(self, clip_id: str) -> Dataset:
        clip = self.clip(clip_id)
        if not clip.audio:
            raise UsageError("There is no sound of this clip.", "Record it again and upload it.")
        if not clip.transcript.text:
            raise UsageError("Nobody knows what is said in this clip.", "Write its text first.")
        _check(clip.transcript.text)
        return self._decide(Decision(Action.ACCEPT, *place_of(clip)))

    def reject(self, clip_id: str) -> Dataset:
        return self._decide(Decision(Action.REJECT, *place_of(self.clip(clip_id))))

    def edit(self, clip_id: str, text: str) -> Dataset:
        """Another text for a clip; its words are found anew."""
        clip = self.clip(clip_id)
        self._with_sound(clip)
        text, _ = cleaned(text)
        _check(text)
        if not spoken_form(text, self._made().prepare_spec().language):
            raise UsageError("A clip needs a text.", "Write what is said in it, or leave the clip out.")
        if normalise(text) == clip.transcript.text:
            return self.dataset()
        return self._decide(Decision(Action.TEXT, *place_of(clip), text=text))

    def realign(self, clip_id: str) -> Dataset:
        """The clip's words are looked for by every aligner, and the best match is taken."""
        clip = self.clip(clip_id)
        self._with_sound(clip)
        if not clip.transcript.text:
            raise UsageError("Nobody knows what is said in this clip.", "Write its text first.")
        return self._decide(Decision(Action.REALIGN, *place_of(clip)))

    def split(self, clip_id: str, at_s: float | None = None, word: int | None = None) -> Dataset:
        """Two clips of one: before its `word` (counted from 1), or in the pause nearest to `at_s`; never in a word."""
        clip = self.clip(clip_id)
        self._with_sound(clip)
        words = clip.transcript.words
        if len(words) < 2:
            remedy = "Correct its text or realign it first." if not words else "Leave it as it is."
            raise UsageError("There are not two words in this clip whose place is known.", remedy)
        if (at_s is None) == (word is None):
            raise UsageError("A clip is split at one place.", "Give either a time or the number of a word.")
        number = _nearest_pause(clip, at_s) if at_s is not None else (word or 0) - 1
        if not 0 < number < len(words):
            raise UsageError(f"The clip cannot be split before word {word}.", f"Name one of its words 2 to {len(words)}.")
        low_s, high_s = sorted((words[number - 1].end_s, words[number].start_s))
        wave = audio.read(self._folder / clip.audio)
        time_s = loudness_of(wave.mono(), wave.sample_rate_hz).quietest(low_s, high_s)
        at_sample = clip.start_sample + seconds_to_samples(time_s, clip.sample_rate_hz)
        return self._decide(Decision(Action.SPLIT, *place_of(clip), at_sample=at_sample))

    def join(self, clip_id: str) -> Dataset:
        """One clip of a clip and the next of its recording."""
        clip, clips = self.clip(clip_id), self.dataset().clips
        self._with_sound(clip)
        following = next_to_join(clips, [c.id for c in clips].index(clip.id))
        if following is None:
            raise UsageError("No clip of the same recording follows this one.", "Join the clip before it instead.")
        length_s = samples_to_seconds(joined_place(clip, following)[2], clip.sample_rate_hz)
        longest_s = self._made().prepare_spec().max_clip_s
        if length_s > longest_s:
            raise UsageError(f"Together they are {length_s:.1f} s long.", f"A clip has at most {longest_s:g} s.")
        return self._decide(Decision(Action.JOIN, *place_of(clip)))

    def reset(self, clip_id: str) -> Dataset:
        """The machine's verdict and the script's text again for a clip as it is cut now."""
        return self._decide(Decision(Action.RESET, *place_of(self.clip(clip_id))))

    def undo(self) -> tuple[Dataset, Decision]:
        """Take the last decision back; raises UsageError if there is none."""
        with self._alone() as made:
            last = decisions.undoable(decisions.read_log(Path(made.log)))
            if last is None:
                raise UsageError("There is nothing to undo.", "No decision was made about these clips.")
            return self._keep(made, Decision(Action.UNDO)), last

    def redo(self) -> tuple[Dataset, Decision]:
        """Do again what was undone last; raises UsageError if nothing was, or something was decided since."""
        with self._alone() as made:
            last = decisions.redoable(decisions.read_log(Path(made.log)))
            if last is None:
                raise UsageError("There is nothing to do again.", "Only what was undone last can be done again.")
            return self._keep(made, Decision(Action.REDO)), last

    def _with_sound(self, clip: Clip) -> None:
        if not clip.audio:
            raise UsageError("There is no sound of this clip.", "Record it again and prepare the recordings again.")

    def _made(self) -> Made:
        return made_of(self._folder)

    def _decide(self, decision: Decision) -> Dataset:
        with self._alone() as made:
            return self._keep(made, decision)

    def _keep(self, made: Made, decision: Decision) -> Dataset:
        decisions.append(Path(made.log), [replace(decision, made_at=utc())])
        return settle(self._folder, self._instruments)

    @contextmanager
    def _alone(self) -> Generator[Made, None, None]:
        made = self._made()
        with locked(self._folder / WORK / ".lock", "Somebody else decides on these clips right now.", "Try again.", _WAIT_S):
            yield made


def _check(text: str) -> None:
    """UsageError for a text with something in it that may not be said."""
    if mark := unclear(text):
        raise UsageError(f"{mark} may not be said, or stands for words that nobody wrote.", "Write what is really said.")


def _nearest_pause(clip: Clip, at_s: float) -> int:
    """How many words come before the pause nearest to a time of the clip."""
    if not 0.0 < at_s < clip.duration_s:
        raise UsageError(f"{at_s:g} s is not inside the clip.", f"It is {clip.duration_s:.2f} s long.")
    pauses = [(a.end_s, b.start_s) for a, b in pairwise(clip.transcript.words)]
    return min(range(len(pauses)), key=lambda i: max(pauses[i][0] - at_s, at_s - pauses[i][1], 0.0)) + 1
