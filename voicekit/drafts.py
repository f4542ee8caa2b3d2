"""Voices that are being put together: what was chosen and uploaded so far, so that it can be left and gone on with.

VOICEKIT_HOME/drafts/<id>/draft.json      the choices
VOICEKIT_HOME/drafts/<id>/recordings/     what was uploaded (zips unpacked), and review.csv
VOICEKIT_HOME/drafts/<id>/left-out/       recordings that were left out, with the texts beside them
VOICEKIT_HOME/drafts/<id>/script/         the script, if it was given by itself
VOICEKIT_HOME/drafts/<id>/dataset/        the clips to review (voicekit.review)
VOICEKIT_HOME/drafts/<id>/cutting.json    how far the cutting of these clips is (voicekit.cuttings)
VOICEKIT_HOME/drafts/<id>/speakers/       who speaks in them (voicekit.casting)
VOICEKIT_HOME/drafts/<id>/reference/      samples of the wanted speaker, by content
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from uuid import uuid4

from voicekit import audio, files, manifest
from voicekit.errors import DraftNotFound, InputError, RecordingsError, UsageError, VoicekitError
from voicekit.prepare import intake
from voicekit.prepare.scripts import find_script
from voicekit.prepare.scripts.names import names_meant, plain
from voicekit.records import Recording
from voicekit.storage import copy_file, file_sha256

_DRAFT = "draft.json"
_SCRIPTS = frozenset({".csv", ".tsv", ".xlsx", ".jsonl"})


@dataclass(frozen=True)
class Draft:
    """`stage` is where its maker was last. `recipe` names one of the shipped recipes; `job_id` is "" until it was submitted.
    `reference` is a sample of the wanted speaker and `whose` where it is from; "": who speaks most is wanted."""

    id: str
    owner: str = ""
    name: str = ""
    language: str = "en"
    stage: str = ""
    consent_id: str = ""
    recipe: str = "lora"
    script: str = ""
    reference: str = ""
    whose: str = ""
    job_id: str = ""
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True)
class Added:
    """One file that was given: `fault` says why it was not taken ("" if it was)."""

    name: str
    files: int
    fault: str = ""


@dataclass(frozen=True)
class Found:
    """One recording of a draft with what the script says of it. `fault` says why it cannot be used."""

    path: str
    duration_s: float
    sample_rate_hz: int
    text: str
    fault: str = ""


@dataclass(frozen=True)
class Material:
    """All recordings of a draft. `script` says where the texts come from, `script_fault` why there are none."""

    recordings: tuple[Found, ...]
    script: str = ""
    script_fault: str = ""
    script_remedy: str = ""
    unused: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return sum(f.duration_s for f in self.recordings if not f.fault)

    @property
    def with_text(self) -> int:
        return sum(bool(f.text) and not f.fault for f in self.recordings)


class Drafts:
    """The drafts of one home. Every change is written at once; two that come together both count."""

    def __init__(self, home: Path) -> None:
        self._root, self._changing = home / "drafts", Lock()

    def new(self, owner: str = "", language: str = "en") -> Draft:
        draft = Draft(uuid4().hex[:12], owner, language=language, created_at=_now(), updated_at=_now())
        return self._save(draft)

    def all(self, owner: str | None = None) -> list[Draft]:
        """The last touched first; None for everybody's."""
        found = [manifest.read_record(p, Draft) for p in self._root.glob(f"*/{_DRAFT}")]
        return sorted((d for d in found if owner in (None, d.owner)), key=lambda d: d.updated_at, reverse=True)

    def get(self, draft_id: str) -> Draft:
        if not self.is_there(draft_id):
            raise DraftNotFound("This unfinished voice is no longer there: it was removed.", "Begin a new one.")
        return manifest.read_record(self._root / draft_id / _DRAFT, Draft)

    def change(self, draft_id: str, **changes: str) -> Draft:
        """The draft with other choices."""
        with self._changing:
            return self._save(replace(self.get(draft_id), **changes, updated_at=_now()))

    def is_there(self, draft_id: str) -> bool:
        """Whether it was not removed."""
        return draft_id.isalnum() and (self._root / draft_id / _DRAFT).is_file()

    def remove(self, draft_id: str) -> None:
        folder = self._root / self.get(draft_id).id
        # First: whoever still works on it sees that it is gone.
        (folder / _DRAFT).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def forget_if_removed(self, draft_id: str) -> None:
        """For who worked on a draft while it was removed: nothing that was written meanwhile stays."""
        if draft_id.isalnum() and not self.is_there(draft_id):
            shutil.rmtree(self._root / draft_id, ignore_errors=True)

    def recordings(self, draft_id: str) -> Path:
        return self._root / self.get(draft_id).id / "recordings"

    def dataset(self, draft_id: str) -> Path:
        return self._root / self.get(draft_id).id / "dataset"

    def script(self, draft_id: str) -> Path | None:
        """The script that was given by itself; None if it lies beside the recordings, if anywhere."""
        name = self.get(draft_id).script
        return self._root / draft_id / "script" / name if name else None

    def add(self, draft_id: str, given: Sequence[Path]) -> list[Added]:
        """Take recordings, zips of them, and texts that lie beside them. What cannot be taken is named, the rest is kept."""
        folder = self.recordings(draft_id)
        done: list[Added] = []
        for path in given:
            try:
                done.append(Added(path.name, self._take(draft_id, path, folder)))
            except InputError as error:
                done.append(Added(path.name, 0, error.problem))
        self.change(draft_id)
        return done

    def add_take(self, draft_id: str, sound: Path, text: str) -> str:
        """A recording from the microphone with what was read; returns its name."""
        audio.probe(sound)
        folder, number = self.recordings(draft_id), 1
        while any(folder.glob(f"take-{number:03d}.*")):
            number += 1
        target = folder / f"take-{number:03d}{sound.suffix.lower()}"
        copy_file(sound, target)
        if text.strip():
            files.write_text(target.with_suffix(".txt"), text.strip() + "\n")
        self.change(draft_id)
        return target.name

    def set_script(self, draft_id: str, given: Path | None) -> Draft:
        """Use this file as the script, or none."""
        shutil.rmtree(self._root / self.get(draft_id).id / "script", ignore_errors=True)
        if given is None:
            return self.change(draft_id, script="")
        copy_file(given, self._root / draft_id / "script" / given.name)
        return self.change(draft_id, script=given.name)

    def reference(self, draft_id: str) -> Path | None:
        """A sample of the wanted speaker, if one was chosen."""
        name = self.get(draft_id).reference
        return self._root / draft_id / "reference" / name if name else None

    def set_reference(self, draft_id: str, given: Path | None, whose: str = "") -> Draft:
        """Whoever speaks in this file is wanted; None: who speaks most. Earlier samples stay: there may be clips made by them."""
        if given is None:
            return self.change(draft_id, reference="", whose="")
        name = f"{file_sha256(given)[:16]}{given.suffix.lower()}"
        copy_file(given, self._root / self.get(draft_id).id / "reference" / name)
        return self.change(draft_id, reference=name, whose=whose)

    def write_script(self, draft_id: str, texts: dict[str, str]) -> Draft:
        """A script typed in the browser: text by recording."""
        lines = [f"{path}\t{' '.join(text.split())}" for path, text in sorted(texts.items()) if text.strip()]
        target = self._root / self.get(draft_id).id / "script" / "typed.tsv"
        files.write_text(target, "\n".join(["file\ttext", *lines]) + "\n")
        return self.change(draft_id, script=target.name)

    def drop(self, draft_id: str, path: str) -> None:
        """Leave out one recording, with the texts beside it that are of no other. It is kept until the draft is removed.

        Raises UsageError if there is no such recording (any more).
        """
        folder = self.recordings(draft_id)
        if not _is_inside(folder, path):
            raise UsageError(f"There is no recording {path} any more.", "Look at the list again: it has changed meanwhile.")
        for file in _with_texts(folder / path):
            _move(file, self._left_out(draft_id) / file.relative_to(folder))
        self.change(draft_id)

    def take_back(self, draft_id: str, path: str) -> None:
        """Use a recording again that was left out. Raises UsageError if none of that name was."""
        folder = self._left_out(draft_id)
        if not _is_inside(folder, path):
            raise UsageError(f"No recording {path} was left out.", "Upload it once more.")
        for file in _with_texts(folder / path):
            _place(file, self.recordings(draft_id) / file.relative_to(folder))
            file.unlink()
        self.change(draft_id)

    def material(self, draft_id: str) -> Material:
        """Every recording with its text; what is wrong stands where it belongs, nothing is raised."""
        draft, folder = self.get(draft_id), self.recordings(draft_id)
        if not folder.exists():
            return Material(())
        try:
            taken = intake.take_in(folder, draft.language, self.dataset(draft_id) / "work", 1.0, lambda _: None)
        except RecordingsError:
            return Material(())
        script, fault, remedy = None, "", ""
        try:
            script = find_script(self.script(draft_id), folder, taken.recordings, [r.recording for r in taken.refused])
        except VoicekitError as error:
            fault, remedy = error.problem, error.remedy
        texts = {} if script is None else script.texts
        good = [_found(r, texts.get(r.id, "")) for r in taken.recordings]
        bad = [_found(r.recording, "", r.reason) for r in taken.refused]
        rows = tuple(sorted([*good, *bad], key=lambda f: f.path))
        return Material(rows, "" if script is None else script.source, fault, remedy, () if script is None else script.unused)

    def _take(self, draft_id: str, path: Path, folder: Path) -> int:
        suffix = path.suffix.lower()
        if suffix == ".zip":
            root = intake.unpacked(path, folder.parent / "unpacked")
            found = intake.found_in(root) if root.exists() else intake.Found(root, ())
            if not found.sounds:
                raise RecordingsError("there is no audio file in it")
            for member in intake.input_files(root):
                _place(member, folder / member.relative_to(root))
            shutil.rmtree(root, ignore_errors=True)
            return len(found.sounds)
        if suffix in audio.SUFFIXES:
            audio.probe(path)
            _place(path, folder / path.name)
            return 1
        if suffix in _SCRIPTS:
            before = self.script(draft_id)
            if before is not None and before.name != path.name:  # of two tables the later goes first, the other fills gaps
                _place(before, folder / before.name)
            self.set_script(draft_id, path)
            return 0
        if suffix in intake.SCRIPT_SUFFIXES:
            _place(path, folder / path.name)
            return 0
        raise RecordingsError(f"{suffix or 'it'} is no kind of recording or script")

    def _left_out(self, draft_id: str) -> Path:
        return self.recordings(draft_id).with_name("left-out")

    def _save(self, draft: Draft) -> Draft:
        manifest.write_record(self._root / draft.id / _DRAFT, draft)
        return draft


def _place(source: Path, target: Path) -> None:
    """Copy without losing another recording of the same name."""
    number = 1
    wanted = target
    while target.exists():
        if file_sha256(target) == file_sha256(source):
            return
        number += 1
        target = wanted.with_stem(f"{wanted.stem}-{number}")
    copy_file(source, target)


def _is_inside(folder: Path, path: str) -> bool:
    """Whether a path names a file below a folder, and nothing elsewhere."""
    target = (folder / path).resolve()
    return target.is_file() and target.is_relative_to(folder.resolve())


def _with_texts(recording: Path) -> list[Path]:
    """A recording and the files beside it that say what is said in it alone: texts of its name."""
    others = [f for f in recording.parent.iterdir() if f.is_file() and f != recording]
    stems = {plain(f.stem) for f in others if f.suffix.lower() in audio.SUFFIXES}
    if plain(recording.stem) in stems:
        return [recording]
    own = {plain(recording.stem), plain(recording.name)}
    texts = [f for f in others if f.suffix.lower() in intake.SCRIPT_SUFFIXES - _SCRIPTS and plain(f.stem) not in stems]
    return [recording, *(f for f in texts if own & set(names_meant(f.stem)))]


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _found(recording: Recording, text: str, fault: str = "") -> Found:
    rate_hz = recording.sample_rate_hz
    return Found(recording.path, recording.num_samples / rate_hz if rate_hz else 0.0, rate_hz, text, fault)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
