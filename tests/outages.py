"""Databases that go away and come back: a PostgreSQL server of the test's own, and SQLite files that somebody else holds."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

_PATIENCE_S = 120.0


class Database(Protocol):
    """`url` is its address. Between `leave` and `come_back` it does not answer."""

    url: str

    def leave(self) -> None: ...
    def come_back(self) -> None: ...


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """An empty one; skips where no PostgreSQL is installed."""
    if kind == "sqlite":
        held = HeldSqlite(folder)
        try:
            yield held
        finally:
            held.come_back()
        return
    server = OwnPostgres()
    try:
        server.come_back()
        yield server
    finally:
        server.remove()


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


class OwnPostgres:
    """A server on a free port. It does not run as root: there it is the user postgres that Debian's package makes."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="voicekit-postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        self._server: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"postgresql+psycopg://voicekit@127.0.0.1:{self._port}/postgres"
        initdb = [self._programs / "initdb", "-D", self._folder / "data", "-A", "trust", "-U", "voicekit", "-N"]
        subprocess.run(initdb, check=True, capture_output=True, user=self._user, cwd=self._folder)

    def leave(self) -> None:
        """At once, as if the machine had been switched off."""
        assert self._server is not None
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(_PATIENCE_S)
        self._server = None

    def come_back(self) -> None:
        where = ["-D", self._folder / "data", "-p", str(self._port), "-k", self._folder, "-c", "listen_addresses=127.0.0.1"]
        with (self._folder / "said.txt").open("ab") as said:
            command = [self._programs / "postgres", *where, "-c", "fsync=off"]
            self._server = subprocess.Popen(command, stdout=said, stderr=said, user=self._user, cwd=self._folder)
        end_s = time.monotonic() + _PATIENCE_S
        while not self._answers():
            assert time.monotonic() < end_s and self._server.poll() is None, (self._folder / "said.txt").read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            psycopg.connect(host="127.0.0.1", port=self._port, user="voicekit", dbname="postgres", connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def remove(self) -> None:
        if self._server is not None:
            self.leave()
        shutil.rmtree(self._folder, ignore_errors=True)


def _programs() -> Path:
    """Where PostgreSQL's programs lie: Debian keeps those of servers out of the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        pytest.skip("PostgreSQL's programs are not installed (Debian: apt-get install postgresql)")
    return places[-1]
