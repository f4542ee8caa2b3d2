"""What the studio does about consents and removals, in a real browser: a failed consent publishes nothing, open pages notice."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import served, visitors
from voicekit.records import VoiceState

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.house import House

Visit = Callable[..., "Page"]


@pytest.fixture
def strict_house(tmp_path: Path) -> Generator[House, None, None]:
    """One in which publishing needs a consent, as everywhere but in tests."""
    from tests.browser.house import House

    with closing(House(tmp_path / "home", require_consent=True)) as made:
        yield made


@pytest.fixture
def strict(browser: Browser, strict_house: House) -> Generator[Visit, None, None]:
    with served(strict_house) as address, visitors(browser, address) as go:
        yield go


def made(house: House, folder: Path, name: str) -> str:
    """A voice that the gate passed, and the draft that it was made of."""
    from tests.browser.house import recordings
    from tests.fake_engines import fake_recipe

    draft = house.app.drafts.new()
    house.app.drafts.add(draft.id, sorted(recordings(folder / name).iterdir()))
    job = house.app.submit(name, house.app.drafts.recordings(draft.id), recipe=fake_recipe())
    house.app.drafts.change(draft.id, name=name, job_id=job.id, stage="publish")
    assert [*house.app.watch(job.id, 0.1)][-1].version == 1
    return draft.id


def statement_file(folder: Path, pitch: int, text: str = "") -> Path:
    from tests.api_house import spoken
    from voicekit import audio
    from voicekit.consent import statement

    file = folder / f"spoken-permission-{pitch}.wav"
    audio.write_wav(file, spoken(text or statement("en").lower().replace(".", ""), pitch))
    return file


def consented(house: House, draft_id: str, folder: Path, pitch: int) -> str:
    return house.app.consent_for_draft(draft_id, "Tess", "en", statement_file(folder, pitch)).id


def test_only_a_consent_that_holds_publishes(strict: Visit, strict_house: House, tmp_path: Path) -> None:
    draft = made(strict_house, tmp_path, "tess")
    page = strict(f"?tab=new&draft={draft}")
    page.wait_for_selector("#published .say.bad:has-text('Nobody consented')")
    page.wait_for_selector("#publish:disabled")
    consented(strict_house, draft, tmp_path, pitch=1)
    page.reload()
    page.click("#publish:not([disabled])")
    page.wait_for_selector("#published .say.bad:has-text('not the recordings')")
    assert strict_house.app.versions("tess")[0].state is VoiceState.DRAFT
    consented(strict_house, draft, tmp_path, pitch=6)
    page.reload()
    page.click("#publish:not([disabled])")
    page.wait_for_selector("#published .say.good:has-text('published')")
    assert strict_house.app.show("tess").consent.holds


def test_a_page_notices_that_its_voice_its_draft_or_its_job_was_removed(
    strict: Visit, strict_house: House, tmp_path: Path
) -> None:
    draft = made(strict_house, tmp_path, "vera")
    job = strict_house.app.jobs()[0].id
    voice, making, jobs = strict("?tab=voices&voice=vera"), strict(f"?tab=new&draft={draft}"), strict(f"?tab=jobs&job={job}")
    voice.wait_for_selector(".title h1:has-text('vera')")
    making.wait_for_selector("#published .title:has-text('vera')")
    jobs.wait_for_selector("#job .trail")
    strict_house.app.remove("vera")
    voice.wait_for_selector("#heard:has-text('The voice vera, which was open here, was removed')")
    voice.wait_for_selector("#gallery:has-text('No voice yet')")
    making.wait_for_selector("#drafts-told:has-text('The unfinished voice that was open here was removed')")
    jobs.wait_for_selector("#job-told:has-text('The job that was open here was removed')")
    for page in (voice, making, jobs):
        assert job not in page.inner_text("body")


def test_removing_says_first_what_goes_and_then_what_went(strict: Visit, strict_house: House, tmp_path: Path) -> None:
    draft = made(strict_house, tmp_path, "wanda")
    consented(strict_house, draft, tmp_path, pitch=6)
    page = strict("?tab=voices&voice=wanda")
    page.get_by_role("tab", name="Manage").click()
    page.get_by_role("button", name="Remove the voice for good").click()
    page.wait_for_selector("#remove-sure:has-text('1 version, 1 job, 1 unfinished voice, 1 consent')")
    page.get_by_role("button", name="Yes, remove it").click()
    page.wait_for_selector("text=Removed wanda: 1 version")
    home = strict_house.app.home
    assert [p.name for p in home.rglob("*") if p.is_file() and not p.name.startswith("catalog.db")] == []


def test_a_voice_that_is_made_is_given_a_new_consent_on_its_page(strict: Visit, strict_house: House, tmp_path: Path) -> None:
    """Its unfinished voice is gone, so nothing else in the studio would do it."""
    app = strict_house.app
    draft = made(strict_house, tmp_path, "nora")
    old = consented(strict_house, draft, tmp_path, pitch=6)
    app.publish("nora", 1, old)
    app.revoke("nora", 1)
    app.remove_draft(draft)
    page = strict("?tab=voices&voice=nora")
    page.get_by_role("tab", name="Manage").click()
    page.wait_for_selector("#managed:has-text('Record a new consent')")
    page.wait_for_selector("#publish-version:disabled")
    page.click("#voice-consent button:has-text('new consent')")
    page.click("#give-consent")
    page.wait_for_selector("#voice-consent-result .say.bad:has-text('Record or upload')")

    def give(file: Path) -> None:
        page.click("#voice-consent-sound button[aria-label='Upload file']")
        page.set_input_files("#voice-consent-sound input[type=file]", str(file))
        page.wait_for_selector("#voice-consent-result .say", state="detached")
        page.locator("#voice-consent").get_by_label("Who speaks").fill("")
        page.locator("#voice-consent").get_by_label("Who speaks").press_sequentially("Nora Example")
        page.click("#give-consent")

    give(statement_file(tmp_path, 1))
    page.wait_for_selector("#voice-consent-result .say.bad:has-text('not the recordings')")
    page.wait_for_selector("#publish-version:disabled")
    give(statement_file(tmp_path, 6))
    page.wait_for_selector("#voice-consent-result .say.good:has-text('Nora Example consented in person')")
    page.click("#publish-version:not([disabled])")
    page.wait_for_selector("#voice-top .badge:has-text('published')")
    assert [c.speaker for c in app.consents()] == ["Nora Example"] and app.show("nora").consent.holds


def test_a_published_voice_keeps_its_consent_where_a_new_one_does_not_hold(
    strict: Visit, strict_house: House, tmp_path: Path
) -> None:
    app = strict_house.app
    old = consented(strict_house, made(strict_house, tmp_path, "olga"), tmp_path, pitch=6)
    app.publish("olga", 1, old)
    page = strict("?tab=voices&voice=olga")
    page.get_by_role("tab", name="Manage").click()
    page.click("#voice-consent button:has-text('new consent')")
    page.click("#voice-consent-sound button[aria-label='Upload file']")
    page.set_input_files("#voice-consent-sound input[type=file]", str(statement_file(tmp_path, 1)))
    page.locator("#voice-consent").get_by_label("Who speaks").press_sequentially("Someone Else")
    page.click("#give-consent")
    page.wait_for_selector("#voice-consent-result .say.bad:has-text('not the recordings')")
    assert [c.id for c in app.consents()] == [old] and app.show("olga").voice.state is VoiceState.PUBLISHED


def left_of(home: Path, since_s: float, *words: bytes) -> list[str]:
    """Files that hold one of these bytes or are named by them: in the home, and those in the system's temporary folder that are
    not older than this."""
    temporary = (Path(tempfile.gettempdir()) / "gradio").rglob("*")
    files = [f for f in (*home.rglob("*"), *(f for f in temporary if f.lstat().st_ctime > since_s)) if f.is_file()]
    return [str(f) for f in files if any(word in f.read_bytes() or word in os.fsencode(f.name) for word in words)]


def test_what_was_uploaded_goes_with_what_it_was_uploaded_for(strict: Visit, strict_house: House, tmp_path: Path) -> None:
    """Gradio kept it in the system's temporary folder for a day."""
    from tests.browser.house import recordings

    app, home, began_s = strict_house.app, strict_house.app.home, time.time()
    given = sorted(recordings(tmp_path / "r", count=2).iterdir())
    given = [file.rename(file.with_name(f"private-{file.name}")) for file in given if file.suffix == ".wav"]
    permission, sounds = statement_file(tmp_path, 6), [file.read_bytes() for file in given]
    page = strict("?tab=new")
    page.click("#begin")
    page.wait_for_selector("#voice-name")
    page.get_by_label("Who speaks").press_sequentially("Pia Example")
    page.click("#consent-sound button[aria-label='Upload file']")
    page.set_input_files("#consent-sound input[type=file]", str(permission))
    page.wait_for_selector("#consent-sound button[aria-label=Play]")
    assert (home / "studio").stat().st_mode & 0o777 == 0o700
    assert left_of(home, began_s, permission.read_bytes()), "it waits there to be checked"
    page.click("button:has-text('Check and keep')")
    page.wait_for_selector("#consent-result .say.good:has-text('words match')")
    page.wait_for_selector("#consent-result audio")
    assert left_of(home, began_s, permission.read_bytes(), permission.stem.encode()) == []
    page.goto(page.url.replace("step=consent", "step=recordings"))
    page.set_input_files("#recordings input[type=file]", [str(file) for file in given])
    page.wait_for_selector("#material tr:has-text('private-001.wav')")
    with page.expect_file_chooser() as chooser:
        page.click("#speaker-sample")
    chooser.value.set_files(str(given[0]))
    page.wait_for_selector("#whose:has-text('private-000.wav')")
    (draft,) = app.drafts.all()
    folder = str(app.drafts.recordings(draft.id).parent)
    assert [place for place in left_of(home, began_s, *sounds) if not place.startswith(folder)] == []
    app.remove_draft(draft.id)
    assert left_of(home, began_s, *sounds, b"private-", permission.read_bytes(), b"Pia Example", draft.id.encode()) == []


def test_withdrawing_a_consent_is_asked_about_first(strict: Visit, strict_house: House, tmp_path: Path) -> None:
    app = strict_house.app
    draft = made(strict_house, tmp_path, "quinn")
    given = consented(strict_house, draft, tmp_path, pitch=6)
    app.publish("quinn", 1, given)
    page = strict(f"?tab=new&draft={draft}&step=consent")
    page.click("#withdraw")
    page.wait_for_selector("#withdraw-sure:has-text('This revokes'):has-text('quinn@1')")
    page.click("#withdraw-no")
    page.wait_for_selector("#withdraw-yes", state="hidden")
    assert app.consent(given) and app.show("quinn").voice.state is VoiceState.PUBLISHED
    page.click("#withdraw")
    page.click("#withdraw-yes")
    page.wait_for_selector("#consent-result:has-text('Removed: 1 consent'):has-text('quinn@1')")
    assert app.consents() == [] and app.show("quinn").voice.state is VoiceState.REVOKED


def test_removing_a_job_is_asked_about_first(strict: Visit, strict_house: House, tmp_path: Path) -> None:
    made(strict_house, tmp_path, "ruth")
    (job,) = strict_house.app.jobs()
    page = strict(f"?tab=jobs&job={job.id}")
    page.click("#remove-job")
    page.wait_for_selector("#remove-job-sure:has-text('1 job')")
    page.click("#remove-job-no")
    page.wait_for_selector("#remove-job-yes", state="hidden")
    assert strict_house.app.jobs() == [job]
    page.click("#remove-job")
    page.click("#remove-job-yes")
    page.wait_for_selector("#job-told:has-text('Removed: 1 job')")
    assert strict_house.app.jobs() == [] and strict_house.app.versions("ruth")
