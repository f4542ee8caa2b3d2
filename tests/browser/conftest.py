"""One studio and one Chromium for all browser tests; every test has a context of its own, as every designer has."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.house import House

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE_MS = 180_000


@pytest.fixture(scope="package", autouse=True)
def chromium() -> str:
    """Where it is. Without it these tests fail, in words: what is skipped is soon forgotten."""
    if CHROMIUM is None:
        problem = "These tests use the studio in a real browser, and Chromium is not installed."
        pytest.fail(f"{problem} Debian: apt-get install chromium. Or leave them out: pytest -m 'not browser'.", pytrace=False)
    return CHROMIUM


@pytest.fixture(scope="package")
def house(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[House, None, None]:
    with closing(_furnished(tmp_path_factory.mktemp("studio") / "home")) as made:
        yield made


@pytest.fixture
def new_house(tmp_path: Path) -> Generator[House, None, None]:
    """One in which nothing was done yet."""
    with closing(_furnished(tmp_path / "home")) as made:
        yield made


def _furnished(home: Path) -> House:
    from tests.browser.house import House

    return House(home)


@contextmanager
def served(house: House) -> Generator[str, None, None]:
    """Its studio's address. Where uploads go is said to Gradio for the whole process: one studio at a time takes some."""
    from studio_app.app import launch

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with patch.dict(os.environ):
        served = launch(house.app, port)
        try:
            yield served.address
        finally:
            served.close()


@pytest.fixture(scope="package")
def address(house: House) -> Generator[str, None, None]:
    with served(house) as found:
        yield found


@pytest.fixture(scope="package")
def browser(chromium: str, house: House) -> Generator[Browser, None, None]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Generator[Callable[..., Page], None, None]:
    """Opens the studio as another designer."""
    with visitors(browser, address) as go:
        yield go


@pytest.fixture
def visit_new(browser: Browser, new_house: House) -> Generator[Callable[..., Page], None, None]:
    """Opens that of the new house."""
    with served(new_house) as address, visitors(browser, address) as go:
        yield go


@contextmanager
def visitors(browser: Browser, address: str) -> Generator[Callable[..., Page], None, None]:
    """Opens a page, `script` run before its own. Nothing may leave the machine, no script may fail."""
    contexts, outside, broken = [], list[str](), list[str]()

    def go(query: str = "", script: str = "") -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["microphone"])
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        context.add_init_script(script)
        page = context.new_page()
        ours = (address, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(ours) else outside.append(r.url))
        page.on("pageerror", lambda e: broken.append(str(e)))
        page.goto(address + query)
        return page

    yield go
    for context in contexts:
        context.close()
    assert outside == []
    assert broken == []


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Good recordings of one speaker with their script."""
    from tests.browser.house import recordings

    return recordings(tmp_path / "recordings")
