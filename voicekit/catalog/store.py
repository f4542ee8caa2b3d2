"""SqlCatalog: ports.Catalog over SQLite or PostgreSQL. Every public method is one unit of work: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from voicekit.catalog import rows
from voicekit.catalog.access_store import AccessStore
from voicekit.catalog.job_store import JobStore
from voicekit.catalog.tables import ClipRow, DatasetRow, EvaluationRow, RecordingRow, RunRow, VoiceRow
from voicekit.catalog.units import Units, patient
from voicekit.errors import NameTaken
from voicekit.ports import DatasetSummary
from voicekit.records import Dataset, Evaluation, Recording, TrainingRun, Verdict, Voice, VoiceState


@patient
class SqlCatalog(JobStore, AccessStore, Units):
    """The catalog at a database URL: voices and their lineage here, the service around them in the classes it is made of."""

    def add_recordings(self, recordings: Sequence[Recording]) -> None:
        """A recording is its bytes: one that is known already stays as it was first seen."""
        wanted = {r.id: r for r in recordings}

        def work(session: Session) -> None:
            known = set(session.scalars(select(RecordingRow.id).where(RecordingRow.id.in_(wanted))))
            session.add_all(rows.recording_row(r) for r in wanted.values() if r.id not in known)

        self._write(work)

    def add_dataset(self, dataset: Dataset, name: str) -> None:
        """Its recordings must be there. The id hashes the content, so a known dataset is left alone."""

        def work(session: Session) -> None:
            if session.get(DatasetRow, dataset.id) is None:
                session.add(rows.dataset_row(dataset, name))

        self._write(work)

    def add_run(self, run: TrainingRun) -> None:
        """Adds the run, or brings the known run of that id up to date."""
        self._write(lambda session: session.merge(rows.run_row(run)))

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """An evaluation never changes: a known one is left alone."""

        def work(session: Session) -> None:
            if session.get(EvaluationRow, evaluation.id) is None:
                session.add(rows.evaluation_row(evaluation))

        self._write(work)

    def add_voice(self, voice: Voice) -> None:
        """Adds a version, or updates the state of the same one; NameTaken if it is another voice's."""

        def work(session: Session) -> None:
            known = session.get(VoiceRow, (voice.slug, voice.version))
            if known is not None and known.run_id != voice.run_id:
                raise NameTaken(f"Version {voice.version} of {voice.slug!r} exists already.", "Run the same command again.")
            session.merge(rows.voice_row(voice))

        self._write(work)

    def voices(self) -> list[Voice]:
        """Of each name, the newest published version; the newest draft if none is published. By name."""
        with self._unit() as session:
            found = [rows.voice_of(row) for row in session.scalars(select(VoiceRow).order_by(VoiceRow.slug, VoiceRow.version))]
        newest: dict[str, Voice] = {}
        for voice in found:
            known = newest.get(voice.slug)
            if known is None or voice.state is VoiceState.PUBLISHED or known.state is not VoiceState.PUBLISHED:
                newest[voice.slug] = voice
        return list(newest.values())

    def versions(self, slug: str) -> list[Voice]:
        """All versions of a name, the oldest first; [] if there is no such voice."""
        with self._unit() as session:
            query = select(VoiceRow).where(VoiceRow.slug == slug).order_by(VoiceRow.version)
            return [rows.voice_of(row) for row in session.scalars(query)]

    def every_version(self) -> list[Voice]:
        """All versions of all names."""
        with self._unit() as session:
            return [rows.voice_of(row) for row in session.scalars(select(VoiceRow).order_by(VoiceRow.slug, VoiceRow.version))]

    def evaluation(self, evaluation_id: str) -> Evaluation | None:
        with self._unit() as session:
            row = session.get(EvaluationRow, evaluation_id)
            return None if row is None else rows.evaluation_of(row)

    def evaluations_of(self, run_id: str) -> list[Evaluation]:
        with self._unit() as session:
            query = select(EvaluationRow).where(EvaluationRow.run_id == run_id).order_by(EvaluationRow.added_at, EvaluationRow.id)
            return [rows.evaluation_of(row) for row in session.scalars(query)]

    def run(self, run_id: str) -> TrainingRun | None:
        with self._unit() as session:
            row = session.get(RunRow, run_id)
            return None if row is None else rows.run_of(row)

    def recordings_of(self, dataset_id: str) -> list[Recording]:
        """The recordings that a dataset's clips were cut from, by path."""
        with self._unit() as session:
            ids = select(ClipRow.recording_id).where(ClipRow.dataset_id == dataset_id)
            query = select(RecordingRow).where(RecordingRow.id.in_(ids)).order_by(RecordingRow.path, RecordingRow.id)
            return [rows.recording_of(row) for row in session.scalars(query)]

    def summary_of(self, dataset_id: str) -> DatasetSummary | None:
        with self._unit() as session:
            row = session.get(DatasetRow, dataset_id)
            if row is None:
                return None
            count = select(func.count()).select_from(ClipRow).where(ClipRow.dataset_id == dataset_id)
            accepted = session.scalar(count.where(ClipRow.verdict == Verdict.ACCEPTED)) or 0
            return DatasetSummary(accepted, (session.scalar(count) or 0) - accepted, row.speech_s)

    def remove_voice(self, slug: str) -> int:
        """Forget all versions of a voice and what only they used; returns how many versions there were."""
        with self._unit() as session:
            gone = list(session.scalars(select(VoiceRow).where(VoiceRow.slug == slug)))
            runs = {voice.run_id for voice in gone}
            datasets = {voice.dataset_id for voice in gone}
            for voice in gone:
                session.delete(voice)
            session.flush()
            runs -= set(session.scalars(select(VoiceRow.run_id).where(VoiceRow.run_id.in_(runs))))
            session.execute(delete(EvaluationRow).where(EvaluationRow.run_id.in_(runs)))
            session.execute(delete(RunRow).where(RunRow.id.in_(runs)))
            datasets -= set(session.scalars(select(RunRow.dataset_id).where(RunRow.dataset_id.in_(datasets))))
            recordings = set(session.scalars(select(ClipRow.recording_id).where(ClipRow.dataset_id.in_(datasets))))
            session.execute(delete(DatasetRow).where(DatasetRow.id.in_(datasets)))
            recordings -= set(session.scalars(select(ClipRow.recording_id).where(ClipRow.recording_id.in_(recordings))))
            session.execute(delete(RecordingRow).where(RecordingRow.id.in_(recordings)))
            return len(gone)
