"""What all tests share: one thread a process, no network, no stopwatch, a home of their own, and the mark of their folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as voicekit does, for tests that import torch first
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.databases import OwnPostgres

settings.register_profile("voicekit", deadline=None)
settings.load_profile("voicekit")

KINDS = ("unit", "contract", "integration", "journey", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = Path(item.path).relative_to(Path(__file__).parent).parts[0]
        if kind in KINDS:
            item.add_marker(kind)


@pytest.fixture(autouse=True)
def voicekit_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the home of whoever runs it."""
    home = tmp_path / "voicekit-home"
    monkeypatch.setenv("VOICEKIT_HOME", str(home))
    for name in ("VOICEKIT_DATABASE_URL", "VOICEKIT_BASE", "VOICEKIT_DEVICE", "VOICEKIT_MODELS"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def postgres() -> "Iterator[OwnPostgres]":
    """A server for all tests of this process (tests.databases.empty_database)."""
    from tests.databases import own_postgres

    with own_postgres() as server:
        yield server
