"""The database behind the catalog: opened and migrated at first use, one transaction a unit of work, errors in our words.

A database that is away for a while (restarted, failed over, unreachable) is CatalogAway. Whoever has work that must not be lost
waits for it (`wait_while_away`); whoever is waited for says so at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar

from filelock import Timeout
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from voicekit.catalog.migrate import current_revision, upgrade
from voicekit.errors import CatalogAway, CatalogError, MissingModel, ResourceError, UsageError, VoicekitError

_T = TypeVar("_T")
_C = TypeVar("_C", bound="Units")
# libpq's names: to connect, to be silent, to leave what was sent unacknowledged.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# Of PostgreSQL: connection lost, too many of them, being stopped or started, not writable (a standby), a lock that two wait for.
_AWAY_STATES, _QUERY_CANCELLED = ("08", "53", "57", "25006", "25P03", "40P01", "55P03"), "57014"
_AWAY_WORDS = (
    "connection failed",
    "connection is bad",
    "connection to server",
    "connection timeout",
    "could not receive data",
    "could not send data",
    "could not translate host name",
    "database is locked",
    "failed to resolve host",
    "lost synchronization",
    "server closed the connection",
    "SSL connection has been closed",
    "the connection is closed",
)


class Units:
    """Units of work at a database URL. Nothing is opened before the first; that one brings the schema up to date."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._goes_on: Callable[[], bool] = lambda: False

    def wait_while_away(self, goes_on: Callable[[], bool]) -> None:
        """From now on a unit that finds the database away is tried again while `goes_on`, which waits a moment, says True."""
        self._goes_on = goes_on

    @cached_property
    def engine(self) -> Engine:
        """The connection pool of the migrated database."""
        with self._translated():
            engine = _engine(self._url)
            try:
                upgrade(engine)
            except BaseException:
                engine.dispose()
                raise
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
        except (SQLAlchemyError, Timeout, UnicodeEncodeError) as error:
            raise _translate(error) from error

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


def patient(catalog: type[_C]) -> type[_C]:
    """A class decorator: its public methods, inherited ones too, are tried again for as long as `wait_while_away` allows.

    Each is one transaction, and saying the same twice changes nothing.
    """
    for name in dir(catalog):
        method = getattr(catalog, name)
        if not name.startswith("_") and inspect.isfunction(method) and method is not Units.wait_while_away:
            setattr(catalog, name, _patiently(method))
    return catalog


def _patiently(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def tried(self: Units, *given: Any, **named: Any) -> Any:
        while True:
            try:
                return method(self, *given, **named)
            except CatalogAway:
                if not self._goes_on():  # pyright: ignore[reportPrivateUsage]
                    raise

    return tried


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
        is_sqlite = address.get_backend_name() == "sqlite"
        engine = create_engine(address, pool_pre_ping=not is_sqlite, connect_args={} if is_sqlite else _in_time(address))
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
            file = Path(str(engine.url.database))
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            raise CatalogError(
                f"The catalog's folder cannot be made: {error}.", "Set VOICEKIT_HOME to a writable folder."
            ) from None

    @event.listens_for(engine, "connect")
    def _(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")  # what was removed is overwritten, not only unlinked
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.close()


def _in_time(address: URL) -> dict[str, int]:
    """A server that was unplugged says nothing: it is not waited for any longer than this. What the address says counts more."""
    return {name: value for name, value in _PATIENCE.items() if name not in address.query}


def _translate(error: Exception) -> VoicekitError:
    """In words that may be shown to anybody: addresses and names of the database stay out of them."""
    if isinstance(error, DataError | UnicodeEncodeError) or isinstance(
        getattr(error, "orig", None), UnicodeEncodeError | ValueError
    ):
        problem = "A text is too long, or holds a character that cannot be stored (NUL, or half of a character)."
        return UsageError(problem, "Make it shorter, or write it anew.")
    text = str(getattr(error, "orig", None) or error).strip()
    if "disk is full" in text or "No space left" in text:
        return ResourceError("The disk that holds the catalog is full.", "Free some space and run the same command again.")
    if _is_away(error, text):
        problem = "The catalog's database cannot be used at the moment: it does not answer."
        return CatalogAway(problem, "Try again in a moment; if it stays so, check VOICEKIT_DATABASE_URL.")
    first_line = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    return CatalogError(
        f"The catalog's database cannot be used: {first_line}.", "Check VOICEKIT_DATABASE_URL and run `voicekit doctor`."
    )


def _is_away(error: Exception, text: str) -> bool:
    """Whether the same may work a little later."""
    if isinstance(error, Timeout | PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlstate = str(getattr(error.orig, "sqlstate", None) or "")
    if error.connection_invalidated or sqlstate.startswith(_AWAY_STATES):
        return sqlstate != _QUERY_CANCELLED
    if isinstance(error, OperationalError | InterfaceError):
        return not sqlstate and any(words in text for words in _AWAY_WORDS)
    return False
