"""What somebody asks for when a voice is to be made, checked and complete: ready to be carried out now or by a worker later."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voicekit.errors import UsageError
from voicekit.prepare import Given
from voicekit.prepare.decisions import log_of
from voicekit.prepare.hearing import Wanted
from voicekit.prepare.intake import input_files
from voicekit.prepare.scripts.find import tables_above
from voicekit.records import Question
from voicekit.shipped import shipped
from voicekit.specs import Recipe, read_recipe
from voicekit.storage import combined_sha256, file_sha256, tree_sha256

_FILES = ("script", "reference", "turns")
_FOLDERS = ("prepared",)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,39}")


@dataclass(frozen=True)
class Request:
    """What was asked for. `base` is a name or an absolute folder; no `questions` means the base's own test questions.

    Whose voice is meant say `reference`, a sound of theirs, or `speaker`, what they are called; `turns` says who speaks when.
    With `publish` False the voice stays a draft also when the gate passes it. `uploads` are the ids of files that were uploaded
    before and handed in: they go when the voice goes. What a dataset in the folder `prepared` has of the same recordings is not
    made again; it changes nothing about the voice. `foreseen` are the seconds by step that its maker was promised.
    """

    slug: str
    recordings: Path
    script: Path | None
    recipe: Recipe
    base: str
    questions: tuple[Question, ...] = ()
    owner: str = ""
    consent_id: str = ""
    tags: tuple[str, ...] = ()
    publish: bool = True
    reference: Path | None = None
    speaker: str = ""
    turns: Path | None = None
    uploads: tuple[str, ...] = ()
    prepared: Path | None = None
    foreseen: tuple[tuple[str, float], ...] = ()

    @property
    def given(self) -> Given:
        return Given(self.recordings, self.script, self.turns, Wanted(self.reference, self.speaker))

    def job_id(self, base_revision: str) -> str:
        """Equal for equal content: moving or renaming the recordings' folder does not make another voice."""
        recipe = self.recipe.model_copy(update={"name": "", "description": ""})
        script = "" if self.script is None else tree_sha256(self.script)
        questions = [f"{q.text}\n{q.answer}" for q in self.questions]
        owner = [f"owner {self.owner}"] if self.owner else []
        decided = log_of(self.recordings)  # in a folder it is one of the recordings' files
        meant = [f"{name} {tree_sha256(file)}" for name in ("reference", "turns") if (file := getattr(self, name)) is not None]
        above = tables_above(self.recordings) if self.recordings.is_dir() and self.script is None else []
        meant += [f"above {file_sha256(table)}" for table in above]
        meant += [f"speaker {self.speaker}"] if self.speaker else []
        review = [f"review {tree_sha256(decided)}"] if self.recordings.is_file() and decided.is_file() else []
        return combined_sha256(
            [
                self.slug,
                tree_sha256(self.recordings, of=input_files(self.recordings)),
                script,
                recipe.digest(),
                base_revision,
                *questions,
                *owner,
                *review,
                *meant,
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """What `request_of` reads: a request waits in the catalog until a worker takes it."""
        return {
            **asdict(self),
            "recordings": str(self.recordings),
            **{name: None if (file := getattr(self, name)) is None else str(file) for name in (*_FILES, *_FOLDERS)},
            "recipe": self.recipe.model_dump(mode="json"),
        }


def request_of(value: dict[str, Any]) -> Request:
    """The request that `Request.as_json` wrote."""
    fields: dict[str, Any] = {
        **value,
        "recordings": Path(value["recordings"]),
        **{name: Path(value[name]) if value.get(name) else None for name in (*_FILES, *_FOLDERS)},
        "recipe": Recipe.model_validate(value["recipe"]),
        "questions": tuple(Question(**question) for question in value["questions"]),
        "tags": tuple(value["tags"]),
        "uploads": tuple(value.get("uploads", ())),
        "foreseen": tuple((str(step), float(seconds)) for step, seconds in value.get("foreseen", ())),
    }
    return Request(**fields)


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a voice.",
            "A name has 2 to 40 small letters, digits, - or _, and begins with a letter or a digit.",
        )
    return name


def existing(path: Path | str, what: str) -> Path:
    """The absolute path of something that must be there."""
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise UsageError(
            f"There are no {what} at {path}." if what == "recordings" else f"There is no {what} {path}.", "Check the path."
        )
    return found


def wanted_speaker(reference: Path | str | None, speaker: str) -> Wanted:
    """Whose voice is meant: who sounds like a clip, or who is called so; not both."""
    if reference is not None and speaker:
        raise UsageError("The wanted speaker is given twice.", "Give a clip of theirs or what they are called, not both.")
    return Wanted(None if reference is None else existing(reference, "sound of the speaker"), speaker.strip())


def handed_in(
    recordings: Path | str,
    script: Path | str | None,
    turns: Path | str | None,
    reference: Path | str | None,
    speaker: str,
) -> Given:
    """All of it there, or UsageError."""
    return Given(
        existing(recordings, "recordings"),
        None if script is None else existing(script, "script"),
        None if turns is None else existing(turns, "file of turns"),
        wanted_speaker(reference, speaker),
    )


def find_recipe(recipe: str | Recipe, language: str) -> Recipe:
    """A shipped recipe by name, a file, or one at hand; in the language given."""
    if isinstance(recipe, str):
        given = Path(recipe)
        named = shipped("recipes") / f"{recipe}.toml"
        recipe = read_recipe(named if given.suffix != ".toml" and named.exists() else given)
    language = language or recipe.prepare.language
    return recipe.model_copy(update={"prepare": recipe.prepare.model_copy(update={"language": language})})
