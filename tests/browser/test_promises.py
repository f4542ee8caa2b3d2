"""What a page of the studio promises holds: clicks are taken, errors go with their cause, removals reach open pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_engines import fake_recipe
from voicekit import audio
from voicekit.records import JobState, VoiceState

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.house import House

Visit = Callable[..., "Page"]
PHONE = {"width": 390, "height": 844}
RECOGNISED = "() => [document.scrollingElement.scrollWidth, window.innerWidth]"


def draft_with(house: House, name: str, recordings: Path, stage: str = "") -> str:
    """An unfinished voice with these recordings; its clips are cut where it is past the review."""
    draft = house.app.drafts.new()
    house.app.drafts.change(draft.id, name=name, recipe="smoke")
    house.app.drafts.add(draft.id, sorted(recordings.iterdir()))
    if stage:
        house.app.reviewer.make(draft.id, lambda _: None)
    return draft.id


def address(draft_id: str, step: str) -> str:
    return f"?tab=new&draft={draft_id}&step={step}"


def voice(house: House, name: str, spoken: Path) -> None:
    if name not in {v.slug for v in house.app.voices()}:
        house.app.create(name, spoken, recipe=fake_recipe())


@contextmanager
def held(thing: Any, name: str) -> Generator[threading.Event, None, None]:
    """A method that waits: the event is set once it was called; it goes on when the block ends."""
    called, go_on, real = threading.Event(), threading.Event(), getattr(thing, name)

    def waiting(*args: Any, **kwargs: Any) -> Any:
        called.set()
        assert go_on.wait(120)
        return real(*args, **kwargs)

    setattr(thing, name, waiting)
    try:
        yield called
    finally:
        go_on.set()
        setattr(thing, name, real)


def test_a_recording_is_left_out_and_taken_back(visit: Visit, house: House, spoken: Path) -> None:
    draft_id = draft_with(house, "leaver", spoken)
    page = visit(address(draft_id, "recordings"))
    page.click("#material tr:has-text('001.wav') button")
    page.wait_for_selector("#upload-result:has-text('001.wav was left out')")
    page.wait_for_selector("#material-tiles:has-text('19')")
    assert page.locator(".toast-body").count() == 0
    assert "001.wav" not in [f.path for f in house.app.drafts.material(draft_id).recordings]
    page.click("#upload-result button:has-text('Take it back')")
    page.wait_for_selector("#material tr:has-text('001.wav')")
    assert len(house.app.drafts.material(draft_id).recordings) == 20


def test_errors_go_with_their_cause(visit: Visit, house: House, spoken: Path) -> None:
    voice(house, "kate", spoken)
    page = visit("?tab=new")
    page.click("#begin")
    page.wait_for_selector("#voice-name")
    page.click("#onwards")
    page.wait_for_selector("#complaint:has-text('no name')")
    page.fill("#voice-name input, #voice-name textarea", "No Name!")
    page.keyboard.press("Tab")
    page.wait_for_selector("#consent-told .say.bad")
    page.wait_for_selector("#complaint .say", state="detached")
    page.fill("#voice-name input, #voice-name textarea", "cause")
    page.keyboard.press("Tab")
    page.wait_for_selector("#consent-told .say.bad", state="detached")
    page.click("button:has-text('Check and keep')")
    page.wait_for_selector("#consent-result .say.bad")
    page.get_by_label("Who speaks").press_sequentially("Jo")
    page.wait_for_selector("#consent-result .say.bad", state="detached")
    page.click("#onwards")
    page.wait_for_selector("#onwards:has-text('Cut into clips')")
    page.click("#onwards")
    page.wait_for_selector("#complaint:has-text('no recordings')")
    page.set_input_files("#recordings input[type=file]", str(spoken / "000.wav"))
    page.wait_for_selector("#material tr:has-text('000.wav')")
    page.wait_for_selector("#complaint .say", state="detached")
    page.goto(page.url.split("?")[0] + "?tab=talk&voice=kate")
    page.wait_for_selector("#transcript .empty")
    page.click("#ask")
    page.wait_for_selector("#talk-told .say.bad")
    page.locator("#question textarea, #question input").first.press_sequentially("what")
    page.wait_for_selector("#talk-told .say.bad", state="detached")


def test_an_error_about_one_clip_is_not_shown_beside_another(visit: Visit, house: House, spoken: Path) -> None:
    page = visit(address(draft_with(house, "nexter", spoken, "review"), "review"))
    page.wait_for_selector("#clip audio")
    page.fill("#said input, #said textarea", "…")
    page.click("#correct")
    page.wait_for_selector("#clip-told .say.bad")
    page.click("#clips tr:has-text('003.wav')")
    page.wait_for_selector("#clip:has-text('003.wav')")
    page.wait_for_selector("#clip-told .say.bad", state="detached")


def test_a_click_beside_a_voice_that_is_generated_is_taken(visit: Visit, house: House, spoken: Path) -> None:
    for name in ("kate", "liam"):
        voice(house, name, spoken)
    page = visit()
    page.wait_for_selector("#gallery .voice")
    with held(house.app, "preview") as called:
        page.click("#gallery .voice:has-text('kate') button:has-text('Listen')")
        assert called.wait(60)
        page.click("#gallery .voice:has-text('liam') button:has-text('Open')")
        page.wait_for_selector("#voice-top:has-text('liam')")
    page.wait_for_timeout(500)
    assert page.locator("#heard audio").count() == 0, "nobody waits for kate any more"


def test_another_stage_is_shown_while_one_is_worked_on(visit: Visit, house: House, spoken: Path) -> None:
    draft_id = draft_with(house, "hurrier", spoken, "review")
    page = visit(address(draft_id, "lessons"))
    with held(house.app, "lessons") as called:
        page.reload()
        assert called.wait(60)
        page.click("#onwards")
        page.wait_for_selector("#presets .preset")


def test_questions_that_are_asked_meanwhile_are_answered_in_turn(visit: Visit, house: House, spoken: Path) -> None:
    voice(house, "kate", spoken)
    page = visit("?tab=talk&voice=kate")
    page.wait_for_selector("#transcript .empty")
    with held(house.app, "dialogue") as called:
        for question in ("what is two plus three", "what is four plus four"):
            page.fill("#question textarea, #question input", question)
            page.keyboard.press("Enter")
            page.wait_for_selector(f".bubble.user:has-text('{question}')")
            assert called.wait(60)
    page.wait_for_selector("#transcript .bubble.voice-says .meta >> nth=1")
    bubbles = page.locator("#transcript .bubble").all_inner_texts()
    assert ["two plus three" in bubbles[0], "five" in bubbles[1], "four plus four" in bubbles[2], "eight" in bubbles[3]] == [
        True
    ] * 4


def test_who_presses_stop_keeps_what_was_said(visit: Visit, house: House, spoken: Path) -> None:
    voice(house, "kate", spoken)
    page = visit("?tab=talk&voice=kate")
    page.wait_for_selector("#transcript .empty")
    with held(house.app, "dialogue") as called:
        page.fill("#question textarea, #question input", "what is two plus three")
        page.keyboard.press("Enter")
        assert called.wait(60)
        page.fill("#question textarea, #question input", "what is one plus one")
        page.keyboard.press("Enter")
        page.wait_for_selector(".bubble.user:has-text('one plus one')")
        page.click("#stop-talking")
        page.wait_for_timeout(500)
    page.wait_for_selector("#transcript:has-text('not answered')")
    page.wait_for_selector("#transcript .bubble.user >> nth=1")


def test_a_decision_counts_for_the_clip_that_was_shown(visit: Visit, house: House, spoken: Path) -> None:
    """The answer to the first click is slow; who has gone on to another clip decides about that, and stays there."""
    draft_id = draft_with(house, "decider", spoken, "review")
    page = visit(address(draft_id, "review"))
    page.wait_for_selector("#clip:has-text('000.wav')")
    real, slow, gone_on = house.app.reviewer.show, threading.Event(), threading.Event()

    def late(draft_id: str) -> Any:
        if not slow.is_set():
            slow.set()
            assert gone_on.wait(60)
        return real(draft_id)

    house.app.reviewer.show = late
    try:
        page.click("#reject")
        assert slow.wait(60)
        page.click("#clips tr:has-text('002.wav')")
        page.wait_for_selector("#clip:has-text('002.wav')")
        page.click("#reject")
        page.wait_for_selector("#clips tr:has-text('002.wav'):has-text('left out')")
        gone_on.set()
        page.wait_for_timeout(2_000)
        page.wait_for_selector("#clips tr:has-text('000.wav'):has-text('left out')")
    finally:
        gone_on.set()
        house.app.reviewer.show = real
    assert "002.wav" in page.inner_text("#clip")
    out = [r.clip.recording for r in house.app.reviewer.show(draft_id).clips if r.by_hand]
    assert out == ["000.wav", "002.wav"]


def trained(house: House, draft_id: str) -> None:
    app, draft = house.app, house.app.drafts.get(draft_id)
    job = app.submit(
        draft.name, app.drafts.recordings(draft_id), script=app.drafts.script(draft_id), recipe="smoke", new_version=True
    )
    app.drafts.change(draft_id, job_id=job.id)
    assert [*app.watch(job.id, 0.1)][-1].version


def test_each_tab_keeps_its_own_step(visit: Visit, house: House, spoken: Path) -> None:
    """ "See how it turned out" led to what another tab was looking at."""
    draft_id = draft_with(house, "stepper", spoken, "review")
    trained(house, draft_id)
    one = visit(address(draft_id, "train"))
    one.wait_for_selector("#finished")
    two = visit(address(draft_id, "recordings"))
    two.wait_for_selector("#material table")
    one.click("#finished")
    one.wait_for_selector("#decision .tile")
    two.reload()
    two.wait_for_selector("#material table")
    two.click("#onwards")
    two.wait_for_selector("#clip audio")
    one.reload()
    one.wait_for_selector("#decision .tile")


def test_an_open_page_notices_that_its_voice_was_removed(visit: Visit, house: House, spoken: Path) -> None:
    voice(house, "leaving", spoken)
    shown, talking, gallery = visit("?tab=voices&voice=leaving"), visit("?tab=talk&voice=leaving"), visit()
    shown.wait_for_selector("#voice-top:has-text('leaving')")
    talking.wait_for_selector("#transcript:has-text('leaving')")
    gallery.wait_for_selector("#gallery .voice:has-text('leaving')")
    house.app.remove("leaving")
    shown.wait_for_selector("#heard:has-text('leaving'):has-text('was removed')")
    shown.wait_for_selector("#gallery")
    talking.wait_for_selector("#talk-told:has-text('leaving'):has-text('removed')")
    gallery.wait_for_selector("#gallery .voice:has-text('leaving')", state="detached")


def test_an_open_page_notices_that_its_job_or_draft_was_removed(visit: Visit, house: House, spoken: Path) -> None:
    draft_id, other = draft_with(house, "parting", spoken, "review"), draft_with(house, "discarded", spoken)
    trained(house, draft_id)
    job_id = house.app.drafts.get(draft_id).job_id
    training, listed, path = (
        visit(address(draft_id, "train")),
        visit(f"?tab=jobs&job={job_id}"),
        visit(address(other, "recordings")),
    )
    training.wait_for_selector("#finished")
    listed.wait_for_selector("#job .trail")
    path.wait_for_selector("#material table")
    house.app.remove_job(job_id)
    house.app.remove_draft(other)
    listed.wait_for_selector("#job-told:has-text('was removed')")
    path.wait_for_selector("#drafts-told:has-text('was removed')")
    training.reload()
    training.wait_for_selector("#train-told:has-text('was removed')")
    for page in (training, listed, path):
        assert job_id not in page.inner_text("body")


def test_revoking_is_asked_about_first(visit: Visit, house: House, spoken: Path) -> None:
    voice(house, "revocable", spoken)
    page = visit("?tab=voices&voice=revocable")
    page.click("button[role=tab]:has-text('Manage')")
    page.click("#revoke")
    page.wait_for_selector("#revoke-sure:has-text('Are you sure')")
    assert house.app.show("revocable").voice.state is VoiceState.PUBLISHED
    page.click("#revoke-no")
    page.wait_for_selector("#revoke-yes", state="hidden")
    assert house.app.show("revocable").voice.state is VoiceState.PUBLISHED
    page.click("#revoke")
    page.click("#revoke-yes")
    page.wait_for_selector("#voice-top .badge:has-text('revoked')")
    assert house.app.show("revocable").voice.state is VoiceState.REVOKED


def test_discarding_is_asked_about_first(visit: Visit, house: House, spoken: Path) -> None:
    draft_id = draft_with(house, "throwaway", spoken)
    page = visit("?tab=new")
    page.click("#drafts .voice:has-text('throwaway') button:text-is('Discard')")
    page.click("#drafts .voice:has-text('throwaway') button:has-text('Keep it')")
    page.wait_for_selector("#drafts .voice:has-text('throwaway') button:text-is('Discard')")
    assert house.app.drafts.is_there(draft_id)
    page.click("#drafts .voice:has-text('throwaway') button:text-is('Discard')")
    page.click("#drafts .voice:has-text('throwaway') button:has-text('Yes, discard it')")
    page.wait_for_selector("#drafts .voice:has-text('throwaway')", state="detached")
    assert not house.app.drafts.is_there(draft_id)


def test_cutting_stands_among_the_jobs_and_is_done_once(visit: Visit, house: House, spoken: Path) -> None:
    draft_id, made = draft_with(house, "cutting", spoken), list[str]()
    real = house.app.cuttings._make

    def counted(of: str, report: Any) -> object:
        made.append(of)
        return real(of, report)

    house.app.cuttings._make = counted
    try:
        with held(house.app.cuttings, "_make") as called:
            one = visit(address(draft_id, "review"))
            assert called.wait(60)
            two, jobs = visit(address(draft_id, "review")), visit("?tab=jobs")
            jobs.wait_for_selector("#jobs tr:has-text('cutting'):has-text('running'):has-text('review')")
            two.wait_for_selector("#review-state [role=status]")
        for page in (one, two):
            page.wait_for_selector("#clip audio")
    finally:
        house.app.cuttings._make = real
    assert made == [draft_id]
    jobs.wait_for_selector("#jobs tr:has-text('cutting'):has-text('finished')")
    jobs.click("#jobs tr:has-text('cutting'):has-text('review')")
    jobs.wait_for_selector("#clip audio")


def test_a_job_says_how_long_it_still_takes(visit: Visit, house: House, spoken: Path) -> None:
    draft_id = draft_with(house, "timer", spoken, "review")
    page = visit(address(draft_id, "train"))
    page.wait_for_selector(".preset.chosen:has-text('about')")
    house.hold = "decoder"
    try:
        page.click("#start")
        page.wait_for_selector("#live-job .trail li.done:has-text('Chat model')")
        page.wait_for_selector("#live-job:has-text('left')")
    finally:
        house.hold = ""
    page.wait_for_selector("#finished")
    assert "left" not in page.inner_text("#live-job .say")


def test_people_have_one_number_in_all_recordings_and_unheard_ones_a_reason(visit: Visit, house: House, tmp_path: Path) -> None:
    from tests.browser.house import conversation, speech

    draft = house.app.drafts.new()
    # The same two, of whom another one begins in the second recording.
    audio.write_wav(tmp_path / "tiny.wav", speech("oh no", 2))
    files = [
        conversation(tmp_path / "one.wav"),
        conversation(tmp_path / "two.wav", turns=10, host=6, guest=2),
        tmp_path / "tiny.wav",
    ]
    house.app.drafts.add(draft.id, files)
    page = visit(address(draft.id, "recordings"))
    page.click("#find-speakers, #whose:has-text('Who') tr >> nth=0")
    page.wait_for_selector("#whose .speakers tr:has-text('speaker 2')")
    assert page.locator("#whose .speakers tr:has(audio)").count() == 2
    assert page.locator("#whose .speakers tr:has-text('2 recordings')").count() == 2
    page.wait_for_selector("#whose .unheard:has-text('tiny.wav'):has-text('shorter than')")


def test_a_recording_has_one_player_and_cannot_be_sent_away(visit: Visit, house: House) -> None:
    draft = house.app.drafts.new()
    page = visit(address(draft.id, "consent"))
    page.click("#consent-sound button:has-text('Record')")
    page.wait_for_timeout(1200)
    page.click("#consent-sound button:has-text('Stop')")
    page.wait_for_selector("#consent-sound button[aria-label=Play]")
    assert page.locator("#consent-sound audio:visible").count() == 0, "beside the waveform's own player"
    assert page.locator("#consent-sound [aria-label*=hare], #consent-sound [title*=hare]").count() == 0


@pytest.mark.parametrize("step", ["consent", "recordings", "review", "lessons", "train"])
def test_no_page_is_wider_than_a_phone(visit: Visit, house: House, spoken: Path, step: str) -> None:
    known = next((d.id for d in house.app.drafts.all() if d.name == "slim"), "")
    page = visit(address(known or draft_with(house, "slim", spoken, "review"), step))
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.wait_for_selector({"review": "#clip audio", "lessons": "#lesson .tok", "train": ".preset"}.get(step, "#onwards"))
    width, window = page.evaluate(RECOGNISED)
    assert width <= window
    if step == "review":
        assert page.locator("#accept").bounding_box()["x"] >= 0  # type: ignore[index]
        box = page.locator("#clip").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= window


# Whatever sticks out of the column of its page, or is cut off there, and cannot be scrolled to in a box of its own.
STICKING_OUT = """() => {
  const column = document.querySelector('main, .main').getBoundingClientRect();
  const scrolls = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true;
    return false;
  };
  return [...document.querySelectorAll('.tabitem *')]
    .filter((e) => e.checkVisibility({visibilityProperty: true}) && !scrolls(e))
    .filter((e) => !e.closest('.tab-container'))  // Gradio measures copies of its tabs there
    .filter((e) => {
      const b = e.getBoundingClientRect();
      return b.width && (b.right > column.right + 1 || b.left < column.left - 1);
    })
    .map((e) => e.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("place", ["voices", "voice", "manage", "drafts", "talk", "jobs", "recordings", "lessons"])
def test_nothing_sticks_out_of_a_page_at_a_phones_width(visit: Visit, house: House, spoken: Path, place: str) -> None:
    voice(house, "kate", spoken)
    known = next((d.id for d in house.app.drafts.all() if d.name == "slim"), "")
    draft_id = known or draft_with(house, "slim", spoken, "review")
    addresses = {
        "voice": ("?tab=voices&voice=kate", "#voice-top:has-text('kate')"),
        "manage": ("?tab=voices&voice=kate", "#voice-top:has-text('kate')"),
        "drafts": ("?tab=new", "#drafts .voice"),
        "talk": ("?tab=talk&voice=kate", "#transcript .empty"),
        "jobs": ("?tab=jobs", "#jobs .rows"),
        "recordings": (address(draft_id, "recordings"), "#material table"),
        "lessons": (address(draft_id, "lessons"), "#lesson .tok"),
    }
    where, shown = addresses.get(place, ("", "#gallery .voice"))
    page = visit(where)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.wait_for_selector(shown)
    if place == "manage":
        page.click(".overflow-menu > button:visible")
        page.click(".overflow-dropdown:visible button:has-text('Manage')")
        page.click("#remove")
        page.wait_for_selector("#remove-sure .say")
    page.wait_for_timeout(300)
    width, window = page.evaluate(RECOGNISED)
    assert width <= window and page.evaluate(STICKING_OUT) == []


# What Gradio would show before the answer has come is another page than the one that was asked for.
SLOW_ANSWERS = """
const ask = window.fetch;
window.fetch = async (input, options) => {
  if (String(input?.url ?? input).includes('/queue/join')) await new Promise((done) => setTimeout(done, 2500));
  return ask(input, options);
};
"""


def test_a_page_that_loads_slowly_says_so_and_is_never_another(visit: Visit, house: House) -> None:
    page = visit("?tab=jobs", script=SLOW_ANSWERS)
    page.wait_for_selector(".tab-container button", state="attached")
    assert not page.is_visible(".tab-container button:has-text('Voices')"), "the wrong page was shown first"
    assert "Loading" in page.evaluate("getComputedStyle(document.body, '::before').content")
    page.wait_for_selector("#jobs .rows, #jobs .empty")
    page.wait_for_selector(".tab-container button.selected:has-text('Jobs')")
    assert "tab=jobs" in page.url


# What came first is long there when the answer to the next comes.
LATE_ANSWERS = """
const ask = window.fetch;
let number = 0;
window.fetch = async (input, options) => {
  const found = await ask(input, options);
  if (String(input?.url ?? input).includes('/queue/join') && number++ < 2) await new Promise((done) => setTimeout(done, 4000));
  return found;
};
"""


def test_a_page_that_is_filled_late_is_filled_once(visit: Visit, house: House, spoken: Path) -> None:
    """It asked again while the first answer was on its way; the second one led back to where the page had come from."""
    page = visit(address(draft_with(house, "landed", spoken), "recordings"), script=LATE_ANSWERS)
    page.wait_for_selector("#material table")
    page.get_by_role("tab", name="Jobs").click()
    page.wait_for_selector("#jobs .rows, #jobs .empty")
    page.wait_for_timeout(6000)
    assert page.is_visible(".tab-container button.selected:has-text('Jobs')")


LOST_ANSWER = """
const ask = window.fetch;
let first = true;
window.fetch = async (input, options) => {
  if (first && String(input?.url ?? input).includes('/queue/join')) {
    first = false;
    return new Response(JSON.stringify({event_id: 'lost'}), {status: 200, headers: {'content-type': 'application/json'}});
  }
  return ask(input, options);
};
"""


def test_a_page_whose_first_answer_was_lost_is_filled_after_all(visit: Visit, house: House, spoken: Path) -> None:
    draft_id = draft_with(house, "lost", spoken)
    page = visit(address(draft_id, "recordings"), script=LOST_ANSWER)
    page.wait_for_selector("#material table")
    assert page.is_visible(".tab-container button.selected:has-text('New voice')")


def test_a_cutting_whose_draft_is_discarded_ends_and_leaves_nothing(house: House, spoken: Path) -> None:
    draft_id = draft_with(house, "vanishing", spoken)
    folder = house.app.drafts.recordings(draft_id).parent
    cuttings = house.app.cuttings
    with held(cuttings, "_make") as called:
        following = cuttings.follow(draft_id)
        assert next(following).state is JobState.RUNNING and called.wait(60)
        house.app.drafts.remove(draft_id)
    cuttings._here[draft_id].join(60)
    assert not folder.exists()
