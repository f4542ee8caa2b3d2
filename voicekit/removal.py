"""Removing what was made: a voice, a job, a draft or a consent, with everything that only it used.

A plan is made first, so that it can be shown before somebody says yes. Files go before their rows in the catalog: a process
that is killed half-way leaves the row, and the same removal again does the rest.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from voicekit import voice_files
from voicekit.drafts import Draft, Drafts
from voicekit.ports import Catalog
from voicekit.records import QueuedJob, Voice
from voicekit.results import Removed
from voicekit.storage import read_json
from voicekit.timebase import utc
from voicekit.workplace import job_folder, lock_file, log_file

# What requests hand in is kept here until nothing uses it any more.
GATHERED = "recordings"
UPLOADS = "uploads"
_INPUTS = ("recordings", "script", "reference", "turns")


@dataclass(frozen=True)
class _Uses:
    """What something rests on: consents and uploads by id, folders of recordings that were handed in, drafts by id."""

    consents: frozenset[str] = frozenset()
    uploads: frozenset[str] = frozenset()
    gathered: frozenset[Path] = frozenset()
    drafts: frozenset[str] = frozenset()

    def __or__(self, other: _Uses) -> _Uses:
        return _Uses(
            self.consents | other.consents,
            self.uploads | other.uploads,
            self.gathered | other.gathered,
            self.drafts | other.drafts,
        )

    def but_not(self, other: _Uses) -> _Uses:
        return _Uses(
            self.consents - other.consents,
            self.uploads - other.uploads,
            self.gathered - other.gathered,
            self.drafts - other.drafts,
        )


@dataclass(frozen=True)
class Plan:
    """Everything that a removal deletes. `revoked` are voices that stay, but lose the consent that they rest on."""

    slug: str = ""
    versions: tuple[Voice, ...] = ()
    jobs: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    places: tuple[Path, ...] = ()
    revoked: tuple[Voice, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.versions or self.jobs or self.drafts or self.consents or self.uploads or self.places)

    def removed(self) -> Removed:
        """The plan in numbers and names: what will be gone."""
        files = [file for place in self.places for file in _files(place)]
        return Removed(
            versions=tuple(f"{v.slug}@{v.version}" for v in self.versions),
            jobs=self.jobs,
            drafts=self.drafts,
            consents=self.consents,
            uploads=self.uploads,
            revoked=tuple(f"{v.slug}@{v.version}" for v in self.revoked),
            num_files=len(files),
            num_bytes=sum(file.lstat().st_size for file in files),
        )


@dataclass(frozen=True)
class _Holders:
    """Everything that can use something: the catalog's voices and jobs, the drafts, and what lies in the home's folders."""

    voices: tuple[Voice, ...] = ()
    jobs: tuple[QueuedJob, ...] = ()
    drafts: tuple[Draft, ...] = ()
    made_of: dict[Path, dict[str, Any]] = field(default_factory=dict[Path, dict[str, Any]])

    def without(self, other: _Holders) -> _Holders:
        jobs, drafts = {j.status.id for j in other.jobs}, {d.id for d in other.drafts}
        return _Holders(
            tuple(v for v in self.voices if v not in other.voices),
            tuple(j for j in self.jobs if j.status.id not in jobs),
            tuple(d for d in self.drafts if d.id not in drafts),
            {folder: job for folder, job in self.made_of.items() if folder not in other.made_of},
        )


class Remover:
    """Removes things of one home and its catalog."""

    def __init__(self, home: Path, catalog: Catalog) -> None:
        self._home, self._catalog = home, catalog

    def of_voice(self, slug: str) -> Plan:
        """All versions of a name, the work on it, its jobs, the drafts that it was made of, and what only they used."""
        everything = self._everything()
        voices = tuple(v for v in everything.voices if v.slug == slug)
        jobs = tuple(j for j in everything.jobs if j.status.name == slug)
        made_of = {folder: job for folder, job in everything.made_of.items() if job.get("name") == slug}
        owners = {v.owner for v in voices} | {j.status.owner for j in jobs} or {""}
        mine = _Holders(voices, jobs, (), made_of)
        named = {d.id for d in everything.drafts if d.name == slug and d.owner in owners}
        ids = {j.status.id for j in jobs} | {v.job_id for v in voices}
        wanted = self._uses(mine).drafts | named | {d.id for d in everything.drafts if d.job_id in ids}
        # One that was given another name afterwards, and that another voice was made of too, is that one's.
        others = self._uses(everything.without(mine)).drafts - named
        mine = replace(mine, drafts=tuple(d for d in everything.drafts if d.id in wanted - others))
        places = [*made_of, self._home / "voices" / slug, lock_file(self._home, slug)]
        return self._plan(everything, mine, [*places, *self._of_jobs(ids)], slug)

    def of_job(self, job: QueuedJob) -> Plan:
        """One job with its work and its log, and what only it used; the voice that it made stays."""
        everything = self._everything()
        work = job_folder(self._home, job.status.id)
        made_of = {folder: found for folder, found in everything.made_of.items() if folder == work}
        mine = _Holders((), (job,), (), made_of)
        return self._plan(everything, mine, self._of_jobs([job.status.id]))

    def of_draft(self, draft: Draft) -> Plan:
        """One unfinished voice with its recordings, and what only it used."""
        return self._plan(self._everything(), _Holders((), (), (draft,)), [])

    def of_consent(self, consent_id: str) -> Plan:
        """One consent; every version that rests on it is revoked."""
        rest = tuple(v for v in self._catalog.every_version() if v.consent_id == consent_id)
        return Plan(consents=(consent_id,), places=tuple(self._consent_files([consent_id])), revoked=rest)

    def of_gathered(self, folders: Iterable[Path]) -> Plan:
        """Folders of recordings that were handed in, as far as nothing uses them."""
        used = self._uses(self._everything()).gathered
        return Plan(places=tuple(folder for folder in folders if folder not in used and folder.exists()))

    def is_used(self, consent_id: str) -> bool:
        """Whether a voice, a job or a draft rests on a consent."""
        return consent_id in self._uses(self._everything()).consents

    def carry_out(self, plan: Plan) -> Removed:
        """Delete everything of a plan; what it said it would."""
        removed, now = plan.removed(), utc()
        for place in plan.places:
            _delete(place)
        for consent_id in plan.consents:
            for draft in Drafts(self._home).all():
                if draft.consent_id == consent_id:
                    Drafts(self._home).change(draft.id, consent_id="")
            self._catalog.remove_consent(consent_id, now)
        for upload_id in plan.uploads:
            self._catalog.remove_upload(upload_id)
        self._catalog.remove_answers_about([*plan.jobs, *plan.consents, *plan.uploads])
        for job_id in plan.jobs:
            self._catalog.remove_job(job_id)
        if plan.slug:
            self._catalog.remove_voice(plan.slug)
        return removed

    def gathered_folder(self, place: Path) -> Path | None:
        """The folder of handed-in recordings in which a path lies, if it lies in one."""
        root = self._home / GATHERED
        return next((p for p in (place, *place.parents) if p.parent == root), None)

    def _plan(self, everything: _Holders, mine: _Holders, places: Sequence[Path], slug: str = "") -> Plan:
        only = self._uses(mine).but_not(self._uses(everything.without(mine)))
        drafts = tuple(d.id for d in mine.drafts)
        folders = [*places, *only.gathered, *(self._home / "drafts" / d for d in drafts), *self._consent_files(only.consents)]
        uploads = [(u, self._catalog.upload(u)) for u in sorted(only.uploads)]
        folders += [(self._home / found.path).parent for _, found in uploads if found is not None]
        return Plan(
            slug=slug,
            versions=mine.voices,
            jobs=tuple(j.status.id for j in mine.jobs),
            drafts=drafts,
            consents=tuple(sorted(c for c in only.consents if self._catalog.consent(c))),
            uploads=tuple(u for u, found in uploads if found is not None),
            places=_outermost(folder for folder in folders if folder.exists()),
        )

    def _everything(self) -> _Holders:
        made_of = {
            file.parent: read_json(file)
            for pattern in (f"work/*/{voice_files.JOB}", f"voices/*/*/{voice_files.JOB}")
            for file in self._home.glob(pattern)
        }
        return _Holders(
            tuple(self._catalog.every_version()), tuple(self._catalog.requests()), tuple(Drafts(self._home).all()), made_of
        )

    def _uses(self, holders: _Holders) -> _Uses:
        consents = {v.consent_id for v in holders.voices} | {d.consent_id for d in holders.drafts}
        consents |= {str(j.request.get("consent_id") or "") for j in holders.jobs}
        uploads = {str(u) for j in holders.jobs for u in j.request.get("uploads", ())}
        given = [Path(str(job[key])) for job in self._asked(holders) for key in _INPUTS if job.get(key)]
        gathered = {folder for place in given if (folder := self.gathered_folder(place)) is not None}
        drafts = {place.relative_to(self._drafts).parts[0] for place in given if place.is_relative_to(self._drafts)}
        return _Uses(frozenset(consents - {""}), frozenset(uploads), frozenset(gathered), frozenset(drafts))

    def _asked(self, holders: _Holders) -> Iterator[dict[str, Any]]:
        yield from (job.request for job in holders.jobs)
        yield from holders.made_of.values()

    @property
    def _drafts(self) -> Path:
        return self._home / "drafts"

    def _of_jobs(self, job_ids: Collection[str]) -> list[Path]:
        """Their work and what was printed meanwhile."""
        return [place(self._home, job_id) for job_id in job_ids if job_id for place in (job_folder, log_file)]

    def _consent_files(self, consent_ids: Collection[str]) -> list[Path]:
        found = [self._catalog.consent(consent_id) for consent_id in consent_ids]
        return [self._home / given.recording for given in found if given is not None and given.recording]


def _delete(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
        # What a process wrote meanwhile goes too; what cannot be deleted is an error that names it.
        if place.exists():
            shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir() and not place.is_symlink():
        yield from (file for file in place.rglob("*") if not file.is_dir() or file.is_symlink())
    elif place.exists():
        yield place


def _outermost(places: Iterable[Path]) -> tuple[Path, ...]:
    """Each place once, without those inside another."""
    every = set(places)
    return tuple(sorted(place for place in every if not any(parent in every for parent in place.parents)))
