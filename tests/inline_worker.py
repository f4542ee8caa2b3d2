"""Jobs carried out in this process, without durability: for tests of what doors see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.fake_base import FakeBase
from tests.fake_engines import fake_engines
from voicekit.app import App
from voicekit.carrying import Carrier, fault_of
from voicekit.catalog.store import SqlCatalog
from voicekit.engines import Engines
from voicekit.ports import Catalog, JobSource


class InlineRunner:
    """ports.JobRunner: does what is waiting, one step after the other, and comes back."""

    def __init__(self, home: Path, catalog: Catalog, engines: Engines, require_consent: bool) -> None:
        self._carrier = Carrier(home, catalog, engines, require_consent)

    def run(self, jobs: JobSource, until_idle: bool = False) -> None:
        for status in jobs.waiting("cpu"):
            for step in jobs.steps():
                if not jobs.begin(status.id, status.attempt, step):
                    break
                try:
                    self._carrier.carry_out(status.id, status.attempt, step)
                except Exception as error:
                    jobs.fail(status.id, status.attempt, fault_of(error, step))
                    break

    def forget(self, jobs: Mapping[str, int]) -> None:
        """Nothing is kept here of what was carried out."""


def inline_app(home: Path, base: FakeBase | None = None, require_consent: bool = False) -> App:
    """An App of fakes whose `work()` carries out what waits."""
    catalog, engines = SqlCatalog(f"sqlite:///{home / 'catalog.db'}"), fake_engines(base or FakeBase())
    return App(home, catalog, engines, "fake", InlineRunner(home, catalog, engines, require_consent), require_consent)
