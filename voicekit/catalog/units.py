"""The database behind the catalog: opened and migrated at first use, one transaction a unit of work, errors in our words."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from filelock import Timeout
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from voicekit.catalog.migrate import current_revision, upgrade
from voicekit.errors import CatalogError, MissingModel, ResourceError

_T = TypeVar("_T")


class Units:
    """Units of work at a database URL. Nothing is opened before the first; that one brings the schema up to date."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def engine(self) -> Engine:
        """The connection pool of the migrated database."""
        with self._translated():
            engine = _engine(self._url)
            upgrade(engine)
            return engine

    def database(self) -> tuple[str, str]:
        with self._translated(), self.engine.connect() as connection:
            return make_url(self._url).render_as_string(hide_password=True), current_revision(connection)

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


def beside(url: str) -> tuple[str, str]:
    """(address, schema) for the records of durable workflows: a file beside a SQLite catalog, a schema beside the other's."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(str(address.database)).with_name('jobs.db')}", "dbos"
    options = str(address.query.get("options", ""))
    schema = options.partition("search_path=")[2] or "voicekit"
    return address.set(drivername="postgresql+psycopg").render_as_string(hide_password=False), f"{schema}_jobs"


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
        cursor.execute("PRAGMA secure_delete = ON")  # what was removed is overwritten, not only unlinked
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
