"""The part of the App in which voices come to be: at once, as jobs that workers carry out, many from one manifest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from voicekit import creation, onboarding, voice_files
from voicekit.carrying import Carrier, Foreground
from voicekit.engines import Engines
from voicekit.errors import NotPublishable, UsageError
from voicekit.jobs import HERE, Jobs, refuse_other_inputs, refuse_other_owners, voice_of
from voicekit.ports import Catalog, JobRunner, OnProgress, Progress
from voicekit.publishing import Publisher
from voicekit.questions import read_questions
from voicekit.records import JobState, JobStatus, Voice, VoiceState, Worker
from voicekit.request import Request, checked_name, find_recipe, handed_in
from voicekit.results import VoiceDetails
from voicekit.shelf import Shelf, silent
from voicekit.specs import Recipe
from voicekit.storage import read_json
from voicekit.workplace import alone, job_folder

STOPPING_S = 10.0


class Making(Shelf):
    """`runner` carries out jobs when this process is a worker; `require_consent` None: to publish voices with an owner."""

    def __init__(
        self,
        home: Path,
        catalog: Catalog,
        engines: Engines,
        base: str,
        runner: JobRunner | None = None,
        require_consent: bool | None = None,
    ) -> None:
        super().__init__(home, catalog, engines, base)
        self._runner = runner
        self._jobs = Jobs(home, catalog, engines)
        self._publisher = Publisher(catalog, require_consent)

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
        report: OnProgress = silent,
    ) -> VoiceDetails:
        """Make a voice of recordings; a draft if the gate refuses it. The same call again continues, or finds it finished.

        `reference`, `speaker` and `turns` say whose voice is meant in recordings of several (see `prepare`).

        Raises UsageError (NameTaken: the name has a published voice of other inputs and `new_version` is False),
        InputError, ResourceError, TrainingError, MissingModel; nothing that was finished is lost.
        """
        request = self._request(
            name, recordings, script=script, reference=reference, speaker=speaker, turns=turns, language=language, recipe=recipe,
            base=base, questions=questions,
        )  # fmt: skip
        slug = request.slug
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
    ) -> JobStatus:
        """Have a voice made by a worker. The same again finds its job; one that failed or was cancelled goes on.

        The voice stays a draft until `publish`, unless `publish` is set and the gate passes it.
        Raises UsageError (NameTaken: the name is somebody else's, or of other inputs), InputError, MissingModel.
        """
        request = self._request(
            name, recordings, script=script, reference=reference, speaker=speaker, turns=turns, language=language, recipe=recipe,
            base=base, questions=questions,
        )  # fmt: skip
        wanted = publish and not self._publisher.consent_needed(owner)
        request = replace(request, owner=owner, consent_id=consent_id, tags=tuple(tags), publish=wanted)
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

    def publish(self, name: str, version: int = 0) -> Voice:
        """Let a voice be used; version 0 is the newest. Raises NotPublishable if the gate refused it or a consent is missing."""
        return self._publisher.publish(self._voice(name, version) if version else self._versions(name)[-1])

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
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # whatever libraries print is no answer
        Carrier(self._home, self._catalog, self._engines).serve(sys.stdin, answers)

    def remove(self, name: str) -> int:
        """Forget all versions of a voice, their files and unfinished work; returns how many versions there were."""
        slug = checked_name(name)
        # A worker is told to stop; who makes the voice in a terminal is not disturbed, and asked to stop it there.
        stopped = [self._jobs.cancel(s.id) for s in self._catalog.jobs_of(slug) if s.queue != HERE and not s.state.over]
        with alone(self._home, slug, wait_s=STOPPING_S if stopped else 0.0):
            shelf = self._home / "voices" / slug
            jobs = [p.parent for p in (self._home / "work").glob(f"*/{voice_files.JOB}") if read_json(p).get("name") == slug]
            count = self._catalog.remove_voice(slug)
            if not count and not shelf.exists() and not jobs:
                self._missing(slug)
            self._catalog.remove_jobs(slug)
            for folder in (shelf, *jobs):
                shutil.rmtree(folder, ignore_errors=True)
            return count

    def _make(self, job: creation.Job) -> Voice:
        """Here and now, visible among the jobs."""
        shown = Foreground(self._catalog, self._home, job.id, job.request)

        def report(event: Progress) -> None:
            job.report(event)
            shown.live(event)

        try:
            made = creation.carry_out(replace(job, report=report), self._catalog, self._home)
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
        """Where a consent is required the job left a draft: it is published if the consent holds."""
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
