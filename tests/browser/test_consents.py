"""What the studio does about consents and removals, in a real browser: a failed consent publishes nothing, open pages notice."""

from __future__ import annotations

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


def consented(house: House, draft_id: str, folder: Path, pitch: int) -> str:
    from tests.api_house import spoken
    from voicekit import audio
    from voicekit.consent import statement

    said = folder / f"yes-{pitch}.wav"
    audio.write_wav(said, spoken(statement("en").lower().replace(".", ""), pitch))
    return house.app.consent_for_draft(draft_id, "Tess", "en", said).id


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
