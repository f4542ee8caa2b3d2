"""What a designer does in the studio, in a real browser, over the fake base.

The short path always runs; the rest when VOICEKIT_TEST_BROWSER is "all". What one answer changes is shown widget by widget:
each is waited for.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from voicekit.records import JobState, Verdict, VoiceState

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.house import House

# Long conversations used to run on underneath the line where the next question is typed.
NEWEST_ABOVE_THE_QUESTION = """() => {
  const newest = [...document.querySelectorAll('#transcript .bubble.voice-says')].at(-1).getBoundingClientRect();
  return newest.top > 0 && newest.bottom <= document.querySelector('#question').getBoundingClientRect().top;
}"""
Visit = Callable[[str], "Page"]
EVERYTHING = "VOICEKIT_TEST_BROWSER"
thorough = pytest.mark.skipif(os.environ.get(EVERYTHING) != "all", reason=f"takes minutes: set {EVERYTHING}=all")


def begin(page: Page, name: str) -> None:
    """Name a new voice and go on to its recordings: a click before they are shown would be the same click twice."""
    page.click("#begin")
    page.fill("#voice-name input, #voice-name textarea", name)
    page.keyboard.press("Tab")
    page.wait_for_timeout(500)
    page.click("#onwards")
    page.wait_for_selector("#onwards:has-text('Cut into clips')")


def upload(page: Page, *files: Path) -> None:
    page.set_input_files("#recordings input[type=file]", [str(f) for f in files])


def to_training(page: Page, name: str, recordings: Path, recipe: str = "smoke") -> None:
    """From the first page to the presets, and choose one: the quickest, which only checks that everything works."""
    begin(page, name)
    upload(page, *sorted(recordings.iterdir()))
    page.wait_for_selector("#material table")
    page.click("#onwards")
    page.wait_for_selector("#clips table")
    page.click("#onwards")
    page.wait_for_selector("#lesson .tok.sound:not(.off)")
    page.click("#onwards")
    page.click(f"[data-recipe={recipe}]")
    page.wait_for_selector(f".preset.chosen[data-recipe={recipe}]")
    page.click("#start")
    page.wait_for_selector("#live-job .trail")


def test_the_first_voice_is_begun_with_one_click(new_house: House, visit_new: Visit) -> None:
    page = visit_new("")
    page.click("#gallery button:has-text('Make the first voice')")
    page.fill("#voice-name input, #voice-name textarea", "first")
    page.wait_for_url("**tab=new&draft=*")
    (draft,) = new_house.app.drafts.all("")
    assert draft.id in page.url


def test_what_was_chosen_stays_when_the_page_is_done_listening(house: House, tmp_path: Path) -> None:
    """Whoever went back to the recordings and chose at once saw the choice of before again: it was shown once more, late."""
    from studio_app.app import Studio
    from studio_app.stage_recordings import RecordingsStage
    from tests.browser.house import conversation

    (stage,) = (stage for stage in Studio(house.app).new.stages if isinstance(stage, RecordingsStage))
    draft = house.app.drafts.new("")
    house.app.drafts.add(draft.id, [conversation(tmp_path / "talk.wav")])
    assert [*stage.whose.heard_out(draft.id)], "it is listened to"
    assert not [*stage.whose.heard_out(draft.id)], "what is known is shown on arrival, and not once more"


def test_from_upload_to_talking(visit: Visit, house: House, spoken: Path) -> None:
    page = visit("?tab=new")
    to_training(page, "tess", spoken, recipe="lora")
    page.click("#finished")
    page.wait_for_selector("#decision .tile")
    page.wait_for_selector("#hear audio")
    page.click("#onwards")
    page.click("#publish")
    page.wait_for_selector("#published .say.good")
    assert house.app.show("tess").voice.state is VoiceState.PUBLISHED
    page.click("#to-talk")
    page.fill("#question textarea, #question input", "what is two plus three")
    page.keyboard.press("Enter")
    page.wait_for_selector("#transcript .bubble.voice-says audio")
    assert "five" in page.inner_text("#transcript")
    for answered in range(1, 4):
        page.fill("#question textarea, #question input", "what is two plus three")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#transcript .bubble.voice-says audio >> nth={answered}")
    page.wait_for_function(NEWEST_ABOVE_THE_QUESTION)


@thorough
def test_a_reload_in_mid_training_finds_the_job_and_so_does_another_tab(visit: Visit, house: House, spoken: Path) -> None:
    house.hold = "decoder"
    try:
        page = visit("?tab=new")
        to_training(page, "rhoda", spoken)
        page.wait_for_selector("#live-job .trail li.done:has-text('Chat model')")
        page.reload()
        page.wait_for_selector("#live-job .trail li.done:has-text('Chat model')")
        other = visit("?tab=jobs")
        other.click("#jobs tr.pick:has-text('rhoda')")
        other.wait_for_selector("#job .trail li.done:has-text('Chat model')")
    finally:
        house.hold = ""
    page.wait_for_selector("#finished")
    other.wait_for_selector("#jobs tr:has-text('rhoda') .badge.good")


@thorough
def test_a_job_is_stopped_and_goes_on(visit: Visit, house: House, spoken: Path) -> None:
    house.hold = "chat"
    try:
        page = visit("?tab=new")
        to_training(page, "stopped", spoken)
        page.wait_for_selector("#live-job .trail li.done:has-text('Speech tokens')")
        page.click("#stop")
        page.wait_for_selector("#resume:has-text('Go on')")
        assert next(j for j in house.app.jobs() if j.name == "stopped").state is JobState.CANCELLED
        page.click("#resume")
    finally:
        house.hold = ""
    page.wait_for_selector("#finished")


@thorough
def test_a_refused_gate_is_told_in_words_and_cannot_be_published(visit: Visit, house: House, spoken: Path) -> None:
    house.base.forgetful = True
    try:
        page = visit("?tab=new")
        to_training(page, "refusal", spoken, recipe="lora")
        page.click("#finished")
    finally:
        house.base.forgetful = False
    page.wait_for_selector("#decision .say.bad")
    words = page.inner_text("#decision .say.bad")
    assert "refused" in words and "What to do" in words
    page.click("#onwards")
    page.wait_for_selector("#published .say.bad")
    page.wait_for_selector("#publish:disabled")


@thorough
def test_a_quick_check_says_that_it_is_one_and_cannot_be_published(visit: Visit, spoken: Path) -> None:
    """It was "This voice passed", with an interval of 1.00 to 1.00."""
    page = visit("?tab=new")
    to_training(page, "checked", spoken)
    page.click("#finished")
    page.wait_for_selector("#decision .say.bad:has-text('This was a quick check')")
    assert "1.00 to 1.00" not in page.inner_text("#decision")
    page.click("#onwards")
    page.wait_for_selector("#published .say.bad:has-text('made for checking')")
    page.wait_for_selector("#publish:disabled")


def test_bad_files_are_named_and_the_rest_is_kept(visit: Visit, spoken: Path, tmp_path: Path) -> None:
    bad, odd = tmp_path / "broken.wav", tmp_path / "notes.zip"
    bad.write_bytes(b"no sound at all")
    odd.write_bytes(b"no zip at all")
    page = visit("?tab=new")
    begin(page, "badfiles")
    page.click("#onwards")
    page.wait_for_selector("#complaint .say.bad")
    upload(page, bad, odd, spoken / "000.wav")
    page.wait_for_selector("#upload-result .say.bad")
    told = page.inner_text("#upload-result")
    assert "broken.wav" in told and "notes.zip" in told
    page.wait_for_selector("#material:has-text('000.wav')")
    page.wait_for_selector("#material-tiles:has-text('the machine writes it down')")


def reviewed(page: Page, name: str, files: list[Path]) -> None:
    """From the first page to the clips of these recordings."""
    begin(page, name)
    upload(page, *files)
    page.wait_for_selector("#material table")
    page.click("#onwards")
    page.wait_for_selector("#clip audio")


def draft_of(house: House, name: str) -> str:
    return next(d.id for d in house.app.drafts.all() if d.name == name)


def said_in_clips(house: House, draft_id: str) -> list[str]:
    return [r.clip.transcript.text for r in house.app.reviewer.show(draft_id).clips]


@thorough
def test_a_clip_is_split_joined_undone_and_done_again(visit: Visit, house: House, spoken: Path) -> None:
    page = visit("?tab=new")
    reviewed(page, "cutter", sorted(spoken.iterdir())[:4])
    draft_id = draft_of(house, "cutter")
    whole = said_in_clips(house, draft_id)
    words = whole[0].split()
    for idle in ("#split", "#undo", "#redo"):
        page.wait_for_selector(f"{idle}:disabled")
    page.click("#words [data-word='4']")
    page.wait_for_selector(f"#split:has-text('Split after “{words[3]}”')")
    page.click("#split")
    page.wait_for_selector(f"#clips tr >> nth={len(whole) + 1}")
    halves = [" ".join(words[:4]), " ".join(words[4:])]
    assert said_in_clips(house, draft_id) == [*halves, *whole[1:]]
    assert page.input_value("#said input, #said textarea") == halves[0], "the first half is chosen"
    page.click("#join")
    page.wait_for_selector("#undo:has-text('join')")
    assert said_in_clips(house, draft_id) == whole
    page.click("#undo")
    page.wait_for_selector("#redo:has-text('join')")
    assert said_in_clips(house, draft_id) == [*halves, *whole[1:]]
    page.click("#undo")
    page.wait_for_selector("#redo:has-text('split')")
    page.wait_for_selector("#undo:disabled")
    assert said_in_clips(house, draft_id) == whole
    page.click("#redo")
    page.wait_for_selector("#undo:has-text('split')")
    assert said_in_clips(house, draft_id) == [*halves, *whole[1:]]


@thorough
def test_what_cannot_be_done_is_said_beside_the_clip(visit: Visit, house: House, spoken: Path) -> None:
    one = visit("?tab=new")
    reviewed(one, "stale", sorted(spoken.iterdir())[:4])
    two = visit(re.search(r"\?.*", one.url)[0])  # type: ignore[index]
    two.wait_for_selector("#clip audio")
    one.click("#words [data-word='3']")
    one.click("#split:not([disabled])")
    one.wait_for_selector("#undo:has-text('split')")
    two.click("#reject")
    two.wait_for_selector("#clip-told .say.bad:has-text('split or joined')")
    one.fill("#said input, #said textarea", "…")
    one.click("#correct")
    one.wait_for_selector("#clip-told .say.bad:has-text('needs a text')")


@thorough
def test_a_corrected_text_is_compared_and_aligned_anew(visit: Visit, house: House, spoken: Path) -> None:
    page = visit("?tab=new")
    reviewed(page, "mender", sorted(spoken.iterdir())[:4])
    draft_id = draft_of(house, "mender")
    page.fill("#said input, #said textarea", "four other words here")
    page.click("#realign")
    page.wait_for_selector("#words [data-word='4']:has-text('here')")
    assert page.locator("#words [data-act]").count() == 4
    assert said_in_clips(house, draft_id)[0] == "four other words here"
    page.click("#reset")
    page.wait_for_selector("#reset[disabled]")
    assert said_in_clips(house, draft_id)[0] != "four other words here"


@thorough
def test_words_in_which_script_and_ear_differ_are_marked(visit: Visit, house: House, spoken: Path) -> None:
    from voicekit.models import CATALOGUE, EMBEDDED_DEFAULTS, ModelState, Step

    known = next(m for m in CATALOGUE if m.step is Step.TRANSCRIPTION)
    doubting = replace(house.engines, models=lambda: (ModelState(known, Path("here"), (), True, EMBEDDED_DEFAULTS[known.step]),))
    script = spoken / "metadata.csv"
    script.write_text(script.read_text().replace("old house", "castle", 2))
    before, house.app.reviewer._engines = house.app.reviewer._engines, doubting
    try:
        page = visit("?tab=new")
        reviewed(page, "doubted", [*sorted(spoken.glob("00[0-3].wav")), script])
        page.wait_for_selector("#grades mark.lacking:has-text('castle')")
        page.wait_for_selector("#grades mark.instead")
        page.wait_for_selector("#grades .grade:has-text('Words heard'):not(:has-text('not measured'))")
    finally:
        house.app.reviewer._engines = before


@thorough
def test_clips_are_limited_to_one_reason(visit: Visit, house: House, spoken: Path, tmp_path: Path) -> None:
    from tests.browser.house import speech
    from voicekit import audio

    audio.write_wav(tmp_path / "short.wav", speech("oh", 6))
    page = visit("?tab=new")
    reviewed(page, "reasons", [*sorted(spoken.iterdir())[:3], tmp_path / "short.wav"])
    page.click("#summary button:has-text('Show')")
    page.wait_for_selector("#filter .chip.on:has-text('Too short')")
    assert page.locator("#clips tr.pick").count() == 1
    page.wait_for_selector("#clip:has-text('too short')")
    page.wait_for_selector("#grades .grade.fails:has-text('Length')")
    page.click("#filter [data-filter=all]")
    page.wait_for_selector("#clips tr.pick >> nth=3")


@thorough
def test_a_voice_is_chosen_of_several_who_speak(visit: Visit, house: House, tmp_path: Path) -> None:
    from tests.browser.house import conversation

    page = visit("?tab=new")
    begin(page, "guest")
    upload(page, conversation(tmp_path / "talk.wav"))
    page.wait_for_selector("#whose tr:has-text('speaker 2') audio")
    page.click("#whose tr:has-text('speaker 2') button")
    page.wait_for_selector("#whose .whose-line:has-text('speaker 2 in talk.wav')")
    page.reload()
    page.wait_for_selector("#whose tr.chosen:has-text('speaker 2')")
    page.click("#onwards")
    page.wait_for_selector("#summary .voices-found tr:has-text('speaker 2') .badge.good")
    draft_id = draft_of(house, "guest")
    guest = house.app.reviewer.show(draft_id)
    page.click("[data-stage=recordings]")
    page.click("#who-speaks-most")
    page.wait_for_selector("#whose:has-text('Listen and choose')")
    page.click("#onwards")
    page.wait_for_selector("#summary .voices-found tr:has-text('speaker 1') .badge.good")
    host = house.app.reviewer.show(draft_id)
    used = [{r.clip.start_sample for r in found.clips if r.clip.verdict is Verdict.ACCEPTED} for found in (guest, host)]
    assert used[0] and used[1] and not used[0] & used[1]


@thorough
def test_a_clip_is_left_out_by_hand_and_stays_out(visit: Visit, house: House, spoken: Path) -> None:
    page = visit("?tab=new")
    reviewed(page, "picky", sorted(spoken.iterdir()))
    page.click("#clips tr.pick >> nth=2")
    page.click("#reject")  # at once: it is about the clip that was asked for, and waits until that is seen
    page.wait_for_selector("#clips tr:has-text('002.wav'):has-text('left out'):has-text('by hand')")
    page.reload()
    page.wait_for_selector("#clips tr:has-text('002.wav'):has-text('left out'):has-text('by hand')")
    assert house.app.reviewer.show(draft_of(house, "picky")).accepted == 19


@thorough
def test_two_designers_do_not_disturb_each_other(visit: Visit, house: House) -> None:
    one, two = visit("?tab=new"), visit("?tab=new")
    begin(one, "left-hand")
    begin(two, "right-hand")
    assert re.search(r"draft=\w+", one.url) and one.url != two.url
    one.reload()
    one.click("[data-stage=consent]")
    one.wait_for_selector("#voice-name")
    one.wait_for_timeout(500)
    assert one.input_value("#voice-name input, #voice-name textarea") == "left-hand"
    assert {"left-hand", "right-hand"} <= {d.name for d in house.app.drafts.all()}


@thorough
def test_a_typed_and_a_spoken_question_are_answered_and_two_voices_side_by_side(visit: Visit, house: House, spoken: Path) -> None:
    from tests.fake_engines import fake_recipe

    house.app.create("mike", spoken, recipe=fake_recipe())
    house.app.create("nora", spoken, recipe=fake_recipe())
    page = visit("?tab=talk&voice=mike")
    page.fill("#question textarea, #question input", "what is two plus three")
    page.keyboard.press("Enter")
    page.wait_for_selector("#transcript .bubble.voice-says audio")
    page.click("#microphone button:has-text('Record')")
    time.sleep(1.5)
    page.click("#microphone button:has-text('Stop')")
    page.wait_for_selector("#transcript .bubble.user audio")
    page.wait_for_selector("#transcript .bubble.voice-says .meta >> nth=1")
    page.get_by_label("Beside it").click()
    page.click("ul[role=listbox] li:has-text('nora')")
    page.fill("#question textarea, #question input", "what is two plus three")
    page.keyboard.press("Enter")
    # The answers used to stay below the edge now and then.
    page.wait_for_selector("#transcript .two .bubble.voice-says .meta >> nth=1")
    page.wait_for_function(NEWEST_ABOVE_THE_QUESTION)
