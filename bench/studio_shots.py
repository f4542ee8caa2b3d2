"""Pictures of every page of the studio, for the README: python -m bench.studio_shots [DIR]

A studio over the tests' fake base, so that a whole voice is made in a minute; what is looked at in the review are the
bundled speaker's recordings, cut, aligned and told apart by the real instruments.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from playwright.sync_api import sync_playwright

from studio_app.app import launch
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.house import House, recordings
from tests.fake_engines import fake_recipe
from voicekit import audio
from voicekit.records import FloatArray, Waveform
from voicekit.settings import Settings
from voicekit.shipped import shipped
from voicekit.wiring import engines

if TYPE_CHECKING:
    from playwright.sync_api import Page

OUT = Path("docs/studio")
PORT = 7899
RECORDINGS = 16
WRONG = 7
TURNS = 12
READER = Path("tests/golden/reader")
SIZE = {"width": 1280, "height": 860}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=OUT)
    out = parser.parse_args().out
    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed (Debian: apt-get install chromium).")
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="studio-shots-"))
    house = _house(folder)
    served = launch(house.app, PORT)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            window = browser.new_context(viewport=SIZE, permissions=["microphone"])  # type: ignore[arg-type]
            window.set_default_timeout(400_000)
            _walk(window.new_page(), served.address, house, folder, _camera(out))
            browser.close()
    finally:
        served.close()
        house.close()
        shutil.rmtree(folder, ignore_errors=True)


def _house(folder: Path) -> House:
    """Fakes, but real instruments for what is seen of recordings, and a training that takes a while."""
    house = House(folder / "home", step_s=0.05)
    real = engines(Settings())
    house.engines = replace(
        house.engines,
        vad=real.vad,
        aligners=real.aligners,
        transcriber=real.transcriber,
        diarizer=real.diarizer,
        speaker_encoder=real.speaker_encoder,
        denoiser=real.denoiser,
        separator=real.separator,
    )
    return house


def _camera(out: Path) -> Callable[[Page, str, bool], None]:
    def shot(page: Page, name: str, whole: bool = True) -> None:
        page.wait_for_timeout(900)
        page.evaluate("document.fonts.ready")
        page.mouse.move(2, 2)
        page.screenshot(path=out / f"{name}.png", full_page=whole)
        print(out / f"{name}.png", flush=True)

    return shot


def _walk(page: Page, address: str, house: House, folder: Path, shot: Callable[..., None]) -> None:
    page.goto(address)
    page.wait_for_selector("#gallery .empty")
    shot(page, "voices-empty")
    for name, pitch in (("ada", 6), ("grace", 4)):
        recipe = fake_recipe(strategy="pseudo_text") if name == "grace" else fake_recipe()
        house.app.create(name, recordings(folder / name, pitch), recipe=recipe)
    house.app.reviewer._engines = house.app.casting._engines = house.engines  # the real instruments, from here on
    _choose(page, address, folder, shot)
    _make(page, address, house, folder, shot)
    _use(page, address, shot)


def _choose(page: Page, address: str, folder: Path, shot: Callable[..., None]) -> None:
    """A conversation, of which one speaker is wanted."""
    page.goto(address + "?tab=new")
    page.click("#begin")
    page.wait_for_timeout(1500)
    page.fill("#voice-name input, #voice-name textarea", "agatha")
    page.wait_for_timeout(800)
    page.click("#onwards")
    page.wait_for_selector("#onwards:has-text('Cut into clips')")
    page.set_input_files("#recordings input[type=file]", str(_conversation(folder)))
    page.wait_for_selector("#whose tr:has-text('speaker 2') audio")
    page.click("#whose tr:has-text('speaker 2') button")
    page.wait_for_selector("#whose tr.chosen")
    shot(page, "new-2-speakers")
    page.click("#onwards")
    page.wait_for_selector("#clip audio")
    page.click("#filter [data-filter=out]")
    page.wait_for_selector("#filter .chip.on:has-text('Left out')")
    page.wait_for_selector("#grades .grade.fails")
    shot(page, "new-3-left-out")


def _make(page: Page, address: str, house: House, folder: Path, shot: Callable[..., None]) -> None:
    page.goto(address + "?tab=new")
    page.click("#begin")
    page.wait_for_timeout(1500)
    page.fill("#voice-name input, #voice-name textarea", "edith")
    page.get_by_label("Who speaks").fill("Edith Example")
    page.wait_for_timeout(800)
    shot(page, "new-1-consent")
    page.click("#onwards")
    page.wait_for_selector("#recordings")
    bad = folder / "interview-old.wav"
    bad.write_bytes(b"this was cut off")
    page.set_input_files("#recordings input[type=file]", [str(f) for f in [*_sample(folder / "sample"), bad]])
    page.wait_for_selector("#upload-result .say.bad")
    shot(page, "new-2-recordings")
    page.click("#onwards")
    page.wait_for_selector("#clips table")
    page.click("#clips tr.pick >> nth=4")
    page.wait_for_selector("#clip:has-text('005.ogg')")
    page.click("#words [data-word='4']")
    page.wait_for_selector("#words .cut")
    shot(page, "new-3-review")
    page.click("#onwards")
    page.wait_for_selector("#lesson .tok.sound:not(.off)")
    shot(page, "new-4-conversations")
    page.click("#onwards")
    page.wait_for_selector(".preset")
    shot(page, "new-5-train")
    page.click("#start")
    page.wait_for_selector("#live-job svg.curve")
    page.wait_for_timeout(4000)
    shot(page, "new-5-training")
    page.click("#finished")
    page.wait_for_selector("#decision .tile")
    page.wait_for_selector("#hear audio")
    shot(page, "new-6-judge")
    page.click("#onwards")
    page.wait_for_selector("#published .panel")
    shot(page, "new-7-publish")


def _use(page: Page, address: str, shot: Callable[..., None]) -> None:
    page.goto(address)
    page.wait_for_selector("#gallery .voice")
    shot(page, "voices")
    page.goto(address + "?tab=voices&voice=ada")
    page.wait_for_selector(".tile")
    shot(page, "voice")
    page.goto(address + "?tab=new")
    page.wait_for_selector("#drafts .voice")
    shot(page, "new")
    page.goto(address + "?tab=talk&voice=ada")
    for question in ("what is two plus three", "what is nine plus eight"):
        page.fill("#question textarea, #question input", question)
        page.keyboard.press("Enter")
        page.wait_for_selector(f".bubble.user:has-text('{question}')")
        page.wait_for_timeout(2500)
    shot(page, "talk", False)
    page.goto(address + "?tab=jobs")
    page.click("#jobs tr.pick")
    page.wait_for_selector("#job svg.curve")
    shot(page, "jobs")


def _sample(folder: Path) -> list[Path]:
    """Some of the bundled speaker's recordings and their script, in which one line is of another sentence."""
    sounds = _bundled(folder)[:RECORDINGS]
    script = next(folder.rglob("metadata.csv"))
    lines = script.read_text().splitlines()
    wrong = lines[WRONG].split("|")[0] + "|" + lines[RECORDINGS].split("|", 1)[1]
    script.write_text("\n".join([*lines[:WRONG], wrong, *lines[WRONG + 1 : RECORDINGS]]) + "\n")
    return [*sounds, script]


def _conversation(folder: Path) -> Path:
    """The bundled speaker, now and then answered by the reader of the tests."""
    waves = [audio.read(p) for p in _bundled(folder / "talk")[RECORDINGS : RECORDINGS + TURNS]]
    answers = [audio.read(p) for p in sorted(READER.glob("*.flac"))]
    rate_hz, parts = waves[0].sample_rate_hz, list[FloatArray]()
    for number, wave in enumerate(waves):
        answer = audio.resample(answers[number // 3 % len(answers)], rate_hz)
        parts += [(answer if number % 3 == 1 else wave).mono(), np.zeros(rate_hz // 2, np.float32)]
    out = folder / "interview.wav"
    audio.write_wav(out, Waveform(np.concatenate(parts)[None], rate_hz))
    return out


def _bundled(folder: Path) -> list[Path]:
    with zipfile.ZipFile(shipped("assets/sample") / "recordings.zip") as zipped:
        zipped.extractall(folder)
    return sorted(p for p in folder.rglob("*") if p.suffix == ".ogg")


if __name__ == "__main__":
    main()
