"""A voice made and tried in the real studio: python -m bench.studio_journey [--recipe smoke] [--out DIR]

Starts `voicekit studio` with its worker and nano, and does in Chromium what a designer does: reads the consent aloud, uploads
the bundled speaker's recordings, leaves a clip out, trains, judges, publishes what the gate lets through, and asks it typed
and spoken questions, alone and beside a second voice that a terminal makes meanwhile. Says how long each stage took, and
keeps a picture of each in OUT. Needs flite, which speaks for the designer. VOICEKIT_DATABASE_URL chooses the database.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from bench.studio_shots import SIZE
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from voicekit.consent import statement
from voicekit.shipped import shipped

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright

PATIENCE_MS = 1_800_000
FLITE_VOICE = "rms"  # the bundled speaker's synthesiser
NAME, BESIDE = "journey", "beside"
RECORDINGS = shipped("assets/sample") / "recordings.zip"
QUESTION = "what is two plus three"


class Diary:
    """Says what was done, how long it took, and keeps a picture of it."""

    def __init__(self, out: Path) -> None:
        self._out, self._since_s = out, time.monotonic()
        out.mkdir(parents=True, exist_ok=True)

    def note(self, page: Page, stage: str) -> None:
        seconds = time.monotonic() - self._since_s
        page.wait_for_timeout(600)
        page.screenshot(path=self._out / f"{stage}.png", full_page=True)
        print(f"{stage}: {seconds:.1f} s", flush=True)
        self._since_s = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="smoke", help="preset to train by: smoke shows the way, lora makes a voice")
    parser.add_argument("--out", type=Path, default=Path("build/studio_journey"))
    options = parser.parse_args()
    if CHROMIUM is None or not shutil.which("flite"):
        print("Chromium and flite are needed (Debian: apt-get install chromium flite).", file=sys.stderr)
        return 2
    diary = Diary(options.out)
    with tempfile.TemporaryDirectory(prefix="studio-journey-") as made, sync_playwright() as driver:
        folder = Path(made)
        with served(folder / "home", "studio") as address:
            page = _browser(driver, say_aloud(statement("en"), folder / "statement.wav"))
            _prepare(page, address, diary)
            _train(page, options.recipe, diary)
            voicekit(folder / "home", "create", BESIDE, str(RECORDINGS), "--recipe", "smoke").wait()
            _talk(_browser(driver, say_aloud(QUESTION, folder / "question.wav")), address, diary)
    return 0


def voicekit(home: Path, *arguments: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A command of voicekit with its data under `home`."""
    command = [sys.executable, "-m", "voicekit.cli", *arguments]
    return subprocess.Popen(command, env={**os.environ, "VOICEKIT_HOME": str(home)}, stdout=stdout)


@contextmanager
def served(home: Path, *command: str) -> Iterator[str]:
    """The address of `voicekit studio` or `voicekit serve` on a free port, while the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = voicekit(home, *command, "--port", str(port))
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.3)
        else:
            raise SystemExit(f"`voicekit {command[0]}` did not start.")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(60)


def say_aloud(text: str, file: Path) -> Path:
    """`text` with silence before and after, in the bundled speaker's voice."""
    subprocess.run(["flite", "-voice", FLITE_VOICE, "-t", text, "-o", str(file)], check=True)
    return file


def _browser(driver: Playwright, microphone: Path) -> Page:
    """A browser whose microphone hears a file once."""
    sound = f"--use-file-for-fake-audio-capture={microphone}%noloop"
    chromium = driver.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, sound])
    window = chromium.new_context(viewport=SIZE, permissions=["microphone"])  # type: ignore[arg-type]
    window.set_default_timeout(PATIENCE_MS)
    return window.new_page()


def _record(page: Page, widget: str, seconds: float) -> None:
    page.click(f"{widget} button:has-text('Record')")
    page.wait_for_timeout(seconds * 1000)
    page.click(f"{widget} button:has-text('Stop')")


def _prepare(page: Page, address: str, diary: Diary) -> None:
    """From the first page to the conversations."""
    page.goto(address)
    page.wait_for_selector("#gallery .empty")
    diary.note(page, "0-empty")
    page.goto(address + "?tab=new")
    page.click("#begin")
    page.fill("#voice-name input, #voice-name textarea", NAME)
    page.keyboard.press("Tab")
    page.get_by_label("Who speaks").fill("Jo Example")
    _record(page, "#consent-sound", 8)
    page.wait_for_selector("#consent-sound audio[src]", state="attached")
    page.wait_for_timeout(1500)
    page.click("button:has-text('Check and keep')")
    page.wait_for_selector("#consent-result .say")
    diary.note(page, "1-consent")
    page.click("#onwards")
    page.wait_for_selector("#onwards:has-text('Cut into clips')")
    page.set_input_files("#recordings input[type=file]", str(RECORDINGS))
    page.wait_for_selector("#material table")
    diary.note(page, "2-recordings")
    page.click("#onwards")
    page.wait_for_selector("#clips table")
    diary.note(page, "3-review")
    name = page.inner_text("#clips tr.pick >> nth=2 >> b")
    page.click("#clips tr.pick >> nth=2")
    page.wait_for_selector(f"#clip:has-text('{name}')")
    page.click("#reject")
    page.wait_for_selector("#clips tr.chosen .hand")
    diary.note(page, "3-review-by-hand")
    page.click("#onwards")
    page.wait_for_selector("#lesson .tok.sound:not(.off)")
    diary.note(page, "4-conversations")


def _train(page: Page, recipe: str, diary: Diary) -> None:
    page.click("#onwards")
    page.click(f"[data-recipe={recipe}]")
    page.wait_for_selector(f".preset.chosen[data-recipe={recipe}]")
    diary.note(page, "5-presets")
    page.click("#start")
    page.wait_for_selector("#live-job svg.curve")
    diary.note(page, "5-training")
    page.click("#finished")
    page.wait_for_selector("#decision .tile")
    page.wait_for_selector("#hear audio")
    diary.note(page, "6-judge")
    page.click("#onwards")
    page.wait_for_selector("#published .panel, #published .say")
    if page.is_enabled("#publish"):
        page.click("#publish")
        page.wait_for_selector("#published .say.good")
    diary.note(page, "7-publish")


def _talk(page: Page, address: str, diary: Diary) -> None:
    page.goto(f"{address}?tab=talk&voice={NAME}")
    page.wait_for_selector("#transcript .empty")
    page.fill("#question textarea, #question input", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector("#transcript .bubble.voice-says audio")
    diary.note(page, "8-typed")
    _record(page, "#microphone", 5)
    page.wait_for_selector("#transcript .bubble.user audio")
    page.wait_for_selector("#transcript .bubble.voice-says audio >> nth=1")
    diary.note(page, "9-spoken")
    page.get_by_label("Beside it").click()
    page.click(f"ul[role=listbox] li:has-text('{BESIDE}')")
    page.fill("#question textarea, #question input", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector("#transcript .two .bubble:has-text('beside') audio")
    diary.note(page, "10-side-by-side")
    page.goto(f"{address}?tab=jobs")
    page.click("#jobs tr.pick")
    page.wait_for_selector("#job svg.curve")
    diary.note(page, "11-jobs")


if __name__ == "__main__":
    sys.exit(main())
