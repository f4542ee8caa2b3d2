"""Databases that go away and come back: a PostgreSQL server of the test's own, and SQLite files that somebody else holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.databases import own_postgres

_PATIENCE_S = 120.0


class Database(Protocol):
    """`url` is its address. Between `leave` and `come_back` it does not answer."""

    url: str

    def leave(self) -> None: ...
    def come_back(self) -> None: ...


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """An empty one."""
    if kind == "sqlite":
        held = HeldSqlite(folder)
        try:
            yield held
        finally:
            held.come_back()
        return
    with own_postgres() as server:
        yield server


class HeldSqlite:
    """The catalog and what DBOS keeps beside it; away is locked by somebody who does not let go."""

    def __init__(self, folder: Path) -> None:
        self._files = [folder / "catalog.db", folder / "jobs.db"]
        self._holders: list[sqlite3.Connection] = []
        self.url = f"sqlite:///{self._files[0]}"

    def leave(self) -> None:
        for file in self._files:
            if file.exists():
                holder = sqlite3.connect(file, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
                holder.execute("BEGIN EXCLUSIVE")
                self._holders.append(holder)

    def come_back(self) -> None:
        while self._holders:
            holder = self._holders.pop()
            holder.execute("ROLLBACK")
            holder.close()
