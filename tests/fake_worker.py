"""A worker, and the process of its steps, around the fake base: `python tests/fake_worker.py work|idle|step HOME URL [DEVICE]`.

A file HOME/pause-STEP makes that step wait in its middle until the file is gone; HOME/paused-STEP then holds its process.
HOME/die-STEP makes the process kill itself once. HOME/calls.txt has a line for the beginning of each step that really ran,
and one for its end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fake_base import FakeBase  # noqa: E402
from tests.fake_engines import fake_engines  # noqa: E402
from voicekit import creation  # noqa: E402
from voicekit.app import App  # noqa: E402
from voicekit.backends.durable import DurableRunner  # noqa: E402
from voicekit.catalog.store import SqlCatalog  # noqa: E402
from voicekit.catalog.units import beside  # noqa: E402
from voicekit.wiring import device_lock, queue_of  # noqa: E402


def fake_app(home: Path, url: str, device: str = "cpu") -> App:
    """An App whose worker has its steps carried out by this file, as if on `device`."""
    catalog = SqlCatalog(url)
    engines = replace(fake_engines(FakeBase()), queue=lambda: queue_of(device))
    command = [sys.executable, str(Path(__file__)), "step", str(home), url, device]
    runner = DurableRunner(catalog, beside(url), command, {}, engines.queue, lambda: device_lock(device))
    return App(home, catalog, engines, "fake", runner, require_consent=False)


def watched(home: Path) -> None:
    """Every step leaves its beginning and its end in calls.txt, and minds the files that say pause or die."""
    for name in creation.STEPS:
        real = getattr(creation, name)

        def step(*args, name=name, real=real):  # type: ignore[no-untyped-def]
            _note(home, f"{name} begins")
            _mind(home, name)
            result = real(*args)
            _mind(home, f"{name}-end")
            _note(home, f"{name} ends")
            return result

        setattr(creation, name, step)


def _note(home: Path, line: str) -> None:
    with (home / "calls.txt").open("a") as file:
        file.write(line + "\n")


def _mind(home: Path, name: str) -> None:
    if (home / f"die-{name}").exists():
        (home / f"die-{name}").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (home / f"pause-{name}").exists():
        (home / f"paused-{name}").write_text(str(os.getpid()))
        while (home / f"pause-{name}").exists():
            time.sleep(0.05)


if __name__ == "__main__":
    action, folder, address, *device = sys.argv[1:]
    app = fake_app(Path(folder), address, *device)
    if action == "step":
        watched(Path(folder))
        app.carry_out_steps()
    else:
        app.work(until_idle=action == "idle")
