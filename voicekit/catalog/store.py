"""SqlCatalog: ports.Catalog over SQLite or PostgreSQL. Every public method is one unit of work: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from filelock import Timeout
from sqlalchemy import Engine, create_engine, delete, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from voicekit.catalog import rows
from voicekit.catalog.migrate import current_revision, upgrade
from voicekit.catalog.tables import ClipRow, DatasetRow, EvaluationRow, RecordingRow, RunRow, VoiceRow
from voicekit.errors import CatalogError, MissingModel, NameTaken, ResourceError
from voicekit.ports import DatasetSummary
from voicekit.records import Dataset, Evaluation, Recording, TrainingRun, Verdict, Voice, VoiceState

_T = TypeVar("_T")


class SqlCatalog:
    """The catalog at a database URL. Nothing is opened before the first call; that call brings the schema up to date."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def engine(self) -> Engine:
        """The connection pool of the migrated database."""
        with self._translated():
            engine = _engine(self._url)
            upgrade(engine)
            return engine

    @cached_property
    def _sessions(self) -> sessionmaker[Session]:
        return sessionmaker(self.engine)

    @contextmanager
    def _unit(self) -> Generator[Session, None, None]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        sessions = self._sessions
        with self._translated(), sessions.begin() as session:
            yield session

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        """Turns the database's own errors into voicekit's."""
        try:
            yield
        except (SQLAlchemyError, Timeout) as error:
            raise _translate(error, self._url) from error

    def _write(self, work: Callable[[Session], _T]) -> _T:
        """One unit that may meet another process adding the same rows: then it looks again, once."""
        sessions = self._sessions
        with self._translated():
            try:
                with sessions.begin() as session:
                    return work(session)
            except IntegrityError:
                with sessions.begin() as session:
                    return work(session)

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

    def database(self) -> tuple[str, str]:
        with self._translated(), self.engine.connect() as connection:
            return make_url(self._url).render_as_string(hide_password=True), current_revision(connection)

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


def _engine(url: str) -> Engine:
    try:
        address = make_url(url)
        if address.drivername in ("postgres", "postgresql"):
            address = address.set(drivername="postgresql+psycopg")
        engine = create_engine(address, pool_pre_ping=address.get_backend_name() != "sqlite")
    except ModuleNotFoundError as error:
        raise MissingModel(
            f"The database at VOICEKIT_DATABASE_URL needs the Python package {error.name!r}.",
            "Install it: pip install 'voicekit[postgres]'.",
        ) from None
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise CatalogError(
            "VOICEKIT_DATABASE_URL is not a database address that voicekit knows.",
            "Use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE, or leave it empty.",
        ) from None
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: Engine) -> None:
    if engine.url.database not in (None, "", ":memory:"):
        try:
            Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(
                f"The catalog's folder cannot be made: {error}.", "Set VOICEKIT_HOME to a writable folder."
            ) from None

    @event.listens_for(engine, "connect")
    def _(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 30000")
        cursor.close()


def _translate(error: Exception, url: str) -> CatalogError | ResourceError:
    text = str(getattr(error, "orig", None) or error).strip()
    first_line = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    if "disk is full" in text or "No space left" in text:
        return ResourceError("The disk that holds the catalog is full.", "Free some space and run the same command again.")
    where = make_url(url).render_as_string(hide_password=True)
    return CatalogError(
        f"The catalog {where} cannot be used: {first_line}.", "Check VOICEKIT_DATABASE_URL and run `voicekit doctor`."
    )
