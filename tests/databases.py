"""Empty databases for tests: a SQLite file, or a schema of its own in the PostgreSQL of this machine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

POSTGRES = "postgresql+psycopg://root@127.0.0.1:5432/test?connect_timeout=30"
KINDS = ("sqlite", "postgresql")


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database that is gone afterwards; skips where no PostgreSQL answers."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'catalog.db'}"
        return
    schema = f"voicekit_{uuid.uuid4().hex}"
    admin = create_engine(POSTGRES)
    try:
        with admin.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except (OperationalError, ModuleNotFoundError):
        pytest.skip("no PostgreSQL server answers at 127.0.0.1:5432")
    try:
        yield f"{POSTGRES}&options=-csearch_path%3D{schema}"
    finally:
        with admin.begin() as connection:
            for name in (schema, f"{schema}_jobs"):
                connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
        admin.dispose()
