"""Brings a catalog's database to the newest schema, on first use and after an update; safe when several processes start."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, text

from voicekit.errors import CatalogError
from voicekit.shipped import shipped

# Any number, the same in every process: PostgreSQL's advisory locks have numbers for names.
_ADVISORY_LOCK = 7_086_517


def config() -> Config:
    return Config(shipped("db") / "alembic.ini")


def head_revision() -> str:
    return _scripts().get_current_head() or ""


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def current_revision(connection: Connection) -> str:
    """ "" for an empty database."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(engine: Engine) -> str:
    """Apply what is missing, one process at a time; returns the revision now. A newer database raises CatalogError."""
    head = head_revision()
    with engine.connect() as connection:
        if current_revision(connection) == head:
            return head
    with _alone(engine) as connection:
        current = current_revision(connection)
        if current and current not in {s.revision for s in _scripts().walk_revisions()}:
            raise CatalogError(
                f"The catalog was written by a newer voicekit (schema {current}; this one knows {head}).", "Update voicekit."
            )
        if current != head:
            settings = config()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    return head


@contextmanager
def _alone(engine: Engine) -> Generator[Connection, None, None]:
    """A transaction that no other process migrates beside."""
    if engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
        with FileLock(f"{Path(str(engine.url.database))}.lock", timeout=60), engine.begin() as connection:
            yield connection
        return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        yield connection


def schema_sql(engine: Engine) -> str:
    """The schema of a migrated SQLite catalog as SQL: db/schema.sql is this."""
    query = text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version' ORDER BY type DESC, name")
    with engine.connect() as connection:
        statements = [str(row[0]).strip() for row in connection.execute(query)]
    return (
        "-- Generated from the migrations (python -m voicekit.catalog.migrate); do not edit.\n\n"
        + ";\n\n".join(statements)
        + ";\n"
    )


def _print_schema() -> None:
    """`python -m voicekit.catalog.migrate > db/schema.sql`"""
    engine = create_engine("sqlite://")
    upgrade(engine)
    print(schema_sql(engine), end="")


if __name__ == "__main__":
    _print_schema()
