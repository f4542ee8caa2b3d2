"""The part of the App in which voices come to be: at once, as jobs that workers carry out, many from one manifest."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from voicekit import creation, onboarding
from voicekit.carrying import Carrier, Foreground
from voicekit.drafts import Drafts
from voicekit.engines import Engines
from voicekit.errors import ConsentNotFound, NotPublishable, UsageError
from voicekit.jobs import HERE, Jobs, refuse_other_inputs, refuse_other_owners, voice_of
from voicekit.ports import Catalog, JobRunner, OnProgress, Progress
from voicekit.questions import read_questions
from voicekit.records import JobState, JobStatus, Voice, VoiceState, Worker
from voicekit.removal import GATHERED, UPLOADS, Plan, Remover
from voicekit.request import Request, checked_name, find_recipe, handed_in
from voicekit.results import Removed, VoiceDetails
from voicekit.shelf import Shelf, silent
from voicekit.specs import Recipe
from voicekit.workplace import alone, job_folder

STOPPING_S = 10.0
# A training leaves the processor to whatever answers people on the same machine: pages load, and voices reply.
BEHIND_ANSWERS = 10
ABANDONED_S = 86_400.0


class Making(Shelf):
    """`runner` carries out jobs when this process is a worker."""

    def __init__(
        self,
        home: Path,
        catalog: Catalog,
        engines: Engines,
        base: str,
        runner: JobRunner | None = None,
        require_consent: bool = True,
    ) -> None:
        super().__init__(home, catalog, engines, base, require_consent)
        self._runner = runner
        self._jobs = Jobs(home, catalog, engines)
        self._remover = Remover(home, catalog)

    def create(
        self,
        name: str,
        recordings: Path | str,
        *,
        script: Path | str | None = None,
        reference: Path | str | None = None,
        speaker: str = "",
        turns: Path | str | None = None,
        language: str = "",
        recipe: str | Recipe = "lora",
        base: str = "",
        questions: Path | str | None = None,
        new_version: bool = False,
        consent_id: str = "",
        report: OnProgress = silent,
    ) -> VoiceDetails:
        """Make a voice of recordings. The same call again continues, or finds it finished.

        It is published if the gate passes it and the consent holds (see `publish`), else it stays a draft. `reference`, `speaker`
        and `turns` say whose voice is meant in recordings of several (see `prepare`).

        Raises UsageError (NameTaken: the name has a published voice of other inputs and `new_version` is False),
        InputError, ResourceError, TrainingError, MissingModel; nothing that was finished is lost.
        """
        request = self._request(
            name, recordings, script=script, reference=reference, speaker=speaker, turns=turns, language=language, recipe=recipe,
            base=base, questions=questions,
        )  # fmt: skip
        slug = request.slug
        request = replace(request, consent_id=self._consent_for(consent_id, ""))
        with alone(self._home, slug):
            versions = self._catalog.versions(slug)
            refuse_other_owners(slug, request.owner, versions)
            model = self._engines.open_base(request.base)
            job_id = request.job_id(model.info.revision)
            work = job_folder(self._home, job_id)
            made = voice_of(job_id, versions, self._home)
            if made is None:
                refuse_other_inputs(slug, versions, job_id, new_version)
                made = self._make(creation.Job(job_id, work, request, model, self._engines, report))
            else:
                shutil.rmtree(work, ignore_errors=True)
                for step in creation.STEPS:
                    report(Progress(step, 1.0, "done before"))
                made = self._publisher.publish_if_allowed(self._given(made, request.consent_id))
            return self._details(made)

    def submit(
        self,
        name: str,
        recordings: Path | str,
        *,
        script: Path | str | None = None,
        reference: Path | str | None = None,
        speaker: str = "",
        turns: Path | str | None = None,
        language: str = "",
        recipe: str | Recipe = "lora",
        base: str = "",
        questions: Path | str | None = None,
        new_version: bool = False,
        owner: str = "",
        consent_id: str = "",
        tags: Sequence[str] = (),
        publish: bool = False,
        uploads: Sequence[str] = (),
        prepared: Path | None = None,
        foreseen: Mapping[str, float] | None = None,
    ) -> JobStatus:
        """Have a voice made by a worker. The same again finds its job; one that failed or was cancelled goes on.

        The voice stays a draft until it is published, unless `publish` is set, the gate passes it and the consent holds. What the
        dataset in the folder `prepared` has of the same recordings, made with the same settings, is not made again; `foreseen`
        are the seconds by step that the time left is reckoned from.
        Raises UsageError (NameTaken: the name is somebody else's, or of other inputs), InputError, MissingModel.
        """
        request = self._request(
            name, recordings, script=script, reference=reference, speaker=speaker, turns=turns, language=language, recipe=recipe,
            base=base, questions=questions,
        )  # fmt: skip
        request = replace(
            request,
            owner=owner,
            consent_id=self._consent_for(consent_id, owner),
            tags=tuple(tags),
            publish=publish,
            uploads=tuple(uploads),
            prepared=prepared and prepared.absolute(),
            foreseen=tuple((foreseen or {}).items()),
        )
        return self._jobs.submit(request, new_version)

    def job(self, job_id: str) -> JobStatus:
        """How a job stands. Raises JobNotFound."""
        return self._jobs.get(job_id)

    def jobs(self, owner: str | None = None, state: JobState | None = None, limit: int = 50, before: str = "") -> list[JobStatus]:
        """The newest first; `before` continues after the job of that id, `owner` None means everybody's."""
        return self._jobs.list(owner, state, limit, before)

    def jobs_of(self, name: str) -> list[JobStatus]:
        """All jobs of a voice's name, the newest first."""
        return self._catalog.jobs_of(name)

    def watch(self, job_id: str, every_s: float = 0.5) -> Iterator[JobStatus]:
        """A job's status whenever it changed, until it is over."""
        return self._jobs.watch(job_id, every_s)

    def job_log(self, job_id: str) -> str:
        """What was printed while a job was carried out (the end of it)."""
        return self._jobs.log(job_id)

    def cancel(self, job_id: str) -> JobStatus:
        """Stop a job; its finished steps are kept for a retry. A job that is over stays as it is."""
        return self._jobs.cancel(job_id)

    def retry(self, job_id: str) -> JobStatus:
        """Go on with a failed or cancelled job at the step that was not finished."""
        return self._jobs.retry(job_id)

    def wait_for_catalog(self, goes_on: Callable[[], bool]) -> None:
        """While the catalog's database is away: try again for as long as `goes_on`, which waits a moment, says True."""
        self._catalog.wait_while_away(goes_on)

    def workers(self) -> list[Worker]:
        """Those that are at work, here or elsewhere."""
        return self._jobs.awake()

    def check_manifest(self, manifest: Path | str) -> list[onboarding.Row]:
        """The rows of a manifest of many voices. Raises ManifestError with everything that is wrong in it."""
        return onboarding.read_rows(Path(manifest), self._check_row)

    def onboard(
        self, manifest: Path | str, report: onboarding.OnRows = lambda _: None, every_s: float = 1.0
    ) -> onboarding.OnboardSummary:
        """Have every voice of a manifest made by the workers, and wait. Nothing begins if the manifest has faults.

        A row that fails stops no other; the same again does what is missing.
        """
        rows = self.check_manifest(manifest)
        return onboarding.carry_out(rows, self._submit_row, self.job, self._publish_row, report, every_s)

    def publish(self, name: str, version: int = 0, consent_id: str = "") -> Voice:
        """Let a voice be used; version 0 is the newest. The consent, given now or before, is compared with the voice's clips.

        Raises NotPublishable if the gate refused it, no consent holds, or it was revoked and nobody has consented since.
        """
        voice = self._voice(name, version) if version else self._versions(name)[-1]
        return self._publisher.publish(self._given(voice, consent_id))

    def change_voice(
        self,
        name: str,
        version: int = 0,
        *,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        consent_id: str | None = None,
    ) -> Voice:
        """Change what is said about a voice; what is None stays. A published voice keeps a consent that holds, where one is
        required: another one that does not is NotPublishable."""
        voice = self._voice(name, version)
        changed = replace(
            voice,
            description=voice.description if description is None else description,
            tags=voice.tags if tags is None else tuple(tags),
        )
        if consent_id is not None and consent_id != voice.consent_id:
            changed = self._publisher.compared(replace(changed, consent_id=self._consent_for(consent_id, voice.owner)))
            refusal = self._publisher.refusal(changed) if voice.state is VoiceState.PUBLISHED else None
            if refusal is not None:
                raise refusal
        self._catalog.add_voice(changed)
        return changed

    def revoke(self, name: str, version: int = 0) -> Voice:
        """Take a published voice back; it is kept, but does not speak any more. Version 0 is the newest published one."""
        voice = self._voice(name, version)
        if not version and voice.state is not VoiceState.PUBLISHED:
            raise UsageError(f"No version of {name!r} is published.", f"Show it: voicekit show {name}.")
        return self._publisher.revoke(voice)

    def work(self, until_idle: bool = False) -> None:
        """Be a worker: carry out jobs until this process is told to stop, or until none is left."""
        if self._runner is None:
            raise UsageError("This App has no runner for jobs.", "Open it with voicekit.wiring.open_app.")
        self._runner.run(self._jobs, until_idle)

    def carry_out_steps(self) -> None:
        """Be a worker's child: carry out the steps of jobs that it is told on stdin (see voicekit.carrying)."""
        os.nice(BEHIND_ANSWERS)
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # whatever libraries print is no answer
        Carrier(self._home, self._catalog, self._engines, self._publisher.require_consent).serve(sys.stdin, answers)

    def removal_of(self, name: str) -> Removed:
        """What `remove` would delete, to be shown before somebody says yes. Raises VoiceNotFound."""
        return self._removal(checked_name(name)).removed()

    def remove(self, name: str) -> Removed:
        """Forget all versions of a voice, and everything that only they used: files, recordings, unfinished voices, consents."""
        slug = checked_name(name)
        # A worker is told to stop; who makes the voice in a terminal is not disturbed, and asked to stop it there.
        stopped = [self._jobs.cancel(s.id) for s in self._catalog.jobs_of(slug) if s.queue != HERE and not s.state.over]
        with alone(self._home, slug, wait_s=STOPPING_S if stopped else 0.0):
            return self._carry_out(self._removal(slug))

    def remove_job(self, job_id: str) -> Removed:
        """Forget a job, its work, its log, and the recordings and consent that only it used. A voice that it made stays.

        One that waits or runs is stopped first. Raises JobNotFound.
        """
        status = self._jobs.get(job_id)
        if status.queue == HERE and not status.state.over:
            raise UsageError(f"{status.name} is being made in a terminal.", "Stop it there first.")
        self._jobs.cancel(status.id)
        with nullcontext() if status.state.over else alone(self._home, status.name, wait_s=STOPPING_S):
            found = self._catalog.job(status.id)
            return self._carry_out(self._remover.of_job(found)) if found is not None else Removed()

    def removal_of_job(self, job_id: str) -> Removed:
        """What `remove_job` would delete. Raises JobNotFound."""
        found = self._catalog.job(self._jobs.get(job_id).id)
        return self._remover.of_job(found).removed() if found is not None else Removed()

    def removal_of_draft(self, draft_id: str) -> Removed:
        """What `remove_draft` would delete. Raises DraftNotFound."""
        return self._remover.of_draft(Drafts(self._home).get(draft_id)).removed()

    def removal_of_consent(self, consent_id: str) -> Removed:
        """What `remove_consent` would delete and revoke. Raises ConsentNotFound."""
        return self._withdrawal(consent_id).removed()

    def remove_draft(self, draft_id: str) -> Removed:
        """Forget an unfinished voice with its recordings, and the consent that only it used. Raises UsageError while a job makes
        a voice of it."""
        draft = Drafts(self._home).get(draft_id)
        job = self._catalog.job(draft.job_id) if draft.job_id else None
        if job is not None and not job.status.state.over:
            raise UsageError(f"A voice is being made of it, by job {draft.job_id[:16]}.", "Stop that job first.")
        return self._carry_out(self._remover.of_draft(draft))

    def remove_consent(self, consent_id: str) -> Removed:
        """Withdraw a consent: its recording is deleted, and every version that rests on it is revoked. Raises ConsentNotFound."""
        return self._carry_out(self._withdrawal(consent_id))

    def forget_unused(self, places: Iterable[Path]) -> None:
        """Of what `gather` made of a request's files, whatever no job and no voice uses: the request was refused, or it was
        one that had been made before."""
        folders = {folder for place in places if (folder := self._remover.gathered_folder(place)) is not None}
        self._carry_out(self._remover.of_gathered(folders))

    def forget_abandoned(self) -> None:
        """What requests left that were cut off, a day ago or longer: recordings that nothing uses, files of no upload."""
        self.forget_unused(self._abandoned(GATHERED))
        for place in self._abandoned(UPLOADS):
            if self._catalog.upload(place.name) is None:
                shutil.rmtree(place, ignore_errors=True)

    def _abandoned(self, folder: str) -> list[Path]:
        since_s = time.time() - ABANDONED_S
        return [place for place in (self._home / folder).glob("*") if place.stat().st_mtime < since_s]

    def _removal(self, slug: str) -> Plan:
        plan = self._remover.of_voice(slug)
        made = any(place.is_dir() and place.parent.name in ("voices", "work") for place in plan.places)
        if not (plan.versions or plan.jobs or made):
            self._missing(slug)
        return plan

    def _withdrawal(self, consent_id: str) -> Plan:
        if self._catalog.consent(consent_id) is None:
            raise ConsentNotFound(f"There is no consent {consent_id!r}.", "It was removed, or check its id.")
        return self._remover.of_consent(consent_id)

    def _carry_out(self, plan: Plan) -> Removed:
        tried = {job_id: job.status.attempt for job_id in plan.jobs if (job := self._catalog.job(job_id)) is not None}
        removed = self._remover.carry_out(plan)
        if self._runner is not None and tried:
            self._runner.forget(tried)
        return removed

    def _consent_for(self, consent_id: str, owner: str | None) -> str:
        """The id of a consent that is there and is the owner's (None: anybody's), or ""; ConsentNotFound for others."""
        found = self._catalog.consent(consent_id) if consent_id else None
        if consent_id and (found is None or owner not in (None, found.owner)):
            raise ConsentNotFound(f"There is no consent {consent_id!r}.", "Record one, or check its id.")
        return consent_id

    def _given(self, voice: Voice, consent_id: str) -> Voice:
        """The version with another consent; as it is without one."""
        return self.change_voice(voice.slug, voice.version, consent_id=consent_id) if consent_id else voice

    def _make(self, job: creation.Job) -> Voice:
        """Here and now, visible among the jobs."""
        shown = Foreground(self._catalog, self._home, job.id, job.request)

        def report(event: Progress) -> None:
            job.report(event)
            shown.live(event)

        try:
            made = creation.carry_out(replace(job, report=report), self._catalog, self._home)
            made = self._publisher.publish_if_allowed(made) if job.request.publish else made
        except BaseException as error:
            shown.ended(error)
            raise
        shown.live.finish(made)
        return made

    def _check_row(self, row: onboarding.Row) -> None:
        """Raises what would make the row's job fail before it has begun."""
        checked_name(row.name)
        handed_in(row.recordings, row.script or None, row.turns or None, row.reference or None, row.speaker)
        find_recipe(row.recipe, row.language)
        self._engines.find_base(row.base or self._base_wanted)
        consent = self._catalog.consent(row.consent) if row.consent else None
        if row.consent and (consent is None or consent.owner):
            raise UsageError(f"There is no consent {row.consent!r}.", "Give the id of a consent that is stored.")

    def _submit_row(self, row: onboarding.Row) -> JobStatus:
        return self.submit(
            row.name,
            row.recordings,
            script=row.script or None,
            reference=row.reference or None,
            speaker=row.speaker,
            turns=row.turns or None,
            language=row.language,
            recipe=row.recipe,
            base=row.base,
            consent_id=row.consent,
            tags=row.tags,
            publish=True,
        )

    def _publish_row(self, row: onboarding.RowResult) -> str:
        """A draft of an earlier run is published if its consent holds by now."""
        voice = next((v for v in self._catalog.versions(row.name) if v.version == row.version), None)
        if voice is None or voice.state is not VoiceState.DRAFT:
            return ""
        try:
            self.publish(row.name, row.version)
        except NotPublishable as error:
            return str(error)
        return ""

    def _request(
        self,
        name: str,
        recordings: Path | str,
        *,
        script: Path | str | None,
        reference: Path | str | None,
        speaker: str,
        turns: Path | str | None,
        language: str,
        recipe: str | Recipe,
        base: str,
        questions: Path | str | None,
    ) -> Request:
        slug, given = checked_name(name), handed_in(recordings, script, turns, reference, speaker)
        return Request(
            slug=slug,
            recordings=given.recordings,
            script=given.script,
            recipe=find_recipe(recipe, language),
            base=self._engines.find_base(base or self._base_wanted),
            questions=() if questions is None else read_questions(Path(questions)),
            reference=given.whose.reference,
            speaker=given.whose.label,
            turns=given.turns,
        )
