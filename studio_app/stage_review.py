"""Stage 3: hear the clips, see what the machine thinks of them, and decide: take, leave, correct, part, join."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio_app import clip_view
from studio_app.markup import CLICKS, bar, fault, head, page, picture_uri, problem, said, sound, tag, text
from studio_app.shell import QUIET, Latest, Updates, data_of, kept, spacer
from studio_app.stage import Stage
from voicekit.drafts import Draft
from voicekit.errors import VoicekitError
from voicekit.records import Clip, Dataset
from voicekit.report.plots import clip as clip_picture
from voicekit.review import Decision, Review, Reviewed

# What somebody does with a clip: the dataset's folder, the clip's id, the text in the box, how many words come before the cut.
Act = Callable[[Path, str, str, int], Dataset]
# How a decision is called when it is taken back.
_CALLED = {
    "accept": "taking the clip",
    "reject": "leaving out",
    "text": "text",
    "split": "split",
    "join": "join",
    "realign": "new words",
    "reset": "machine's word",
}


class ReviewStage(Stage):
    key = "review"
    title = "Review"
    onwards = "Continue to the conversations"

    def layout(self) -> list[Block]:
        lead = "Every clip with what the machine thinks of it. Listen to the doubtful ones; your word counts."
        gr.HTML(head("Review the clips", lead))
        self.told = gr.HTML(elem_id="review-state")
        self.summary = gr.HTML(js_on_load=CLICKS, elem_id="summary")
        self.chosen, self.wanted, self.cut, self.latest = kept(), kept(clip_view.ALL), kept("0"), gr.State(Latest())
        with gr.Column(visible=False) as self.clips:
            with gr.Row(elem_classes="vk-bar"):
                self.filter = gr.HTML(js_on_load=CLICKS, elem_id="filter")
                self.undo = gr.Button("Undo", scale=0, min_width=190, interactive=False, elem_id="undo")
                self.redo = gr.Button("Redo", scale=0, min_width=190, interactive=False, elem_id="redo")
            with gr.Row():
                with gr.Column(scale=9, min_width=320):
                    self.table = gr.HTML(js_on_load=clip_view.ROW_CLICKS, elem_id="clips")
                with gr.Column(scale=16, min_width=320, elem_classes="detail") as self.detail:
                    self._clip()
        self.of_list = [self.summary, self.filter, self.table, self.undo, self.redo]
        return [self.told, self.chosen, self.wanted, self.cut, self.clips, *self.of_list, self.detail, *self.of_clip]

    def _clip(self) -> None:
        """One clip: hear it, see it, change it."""
        self.picture = gr.HTML(js_on_load=clip_view.SEEN, elem_id="clip")
        self.words = gr.HTML(js_on_load=clip_view.WORD_CLICKS, elem_id="words")
        with gr.Row(elem_classes="vk-bar"):
            self.split = gr.Button("Split: choose a word", scale=1, min_width=170, interactive=False, elem_id="split")
            self.join = gr.Button("Join with the next clip", scale=1, min_width=170, elem_id="join")
            self.realign = gr.Button("Find the words again", scale=1, min_width=170, elem_id="realign")
        with gr.Row(elem_classes="vk-bar"):
            self.text = gr.Textbox(
                show_label=False, container=False, scale=4, placeholder="What is said in this clip", elem_id="said"
            )
            self.save = gr.Button("Correct the text", scale=0, min_width=150, elem_id="correct")
        with gr.Row(elem_classes="vk-bar"):
            self.accept = gr.Button("Use this clip", variant="primary", scale=0, min_width=130, elem_id="accept")
            self.reject = gr.Button("Leave it out", variant="stop", scale=0, min_width=130, elem_id="reject")
            self.reset = gr.Button("As the machine says", scale=0, min_width=170, elem_id="reset")
            spacer()
            self.next = gr.Button("Next clip", scale=0, min_width=110, elem_id="next")
        self.note = gr.HTML(elem_id="clip-told")
        self.grades = gr.HTML(elem_id="grades")
        changing = [self.split, self.join, self.realign, self.reset]
        self.of_clip: list[Block] = [self.picture, self.words, self.text, self.note, self.grades, *changing]

    def wire(self) -> None:
        at = [self.draft_id, self.chosen, self.wanted, self.latest]
        for listing in (self.summary, self.filter):
            self.on(listing.click, self.limited, at, **QUIET)
        self.on(self.table.click, self.picked, at, **QUIET)
        self.on(self.words.click, self.cut_after, at[:2], [self.words, self.cut, self.split], told=self.note, **QUIET)
        self.on(self.next.click, self.moved, at, **QUIET)
        slow: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": self.words, "told": self.note}
        self.on(self.undo.click, lambda d, c, w, last: self.taken_back(d, c, w, last, "undo"), at, **slow)
        self.on(self.redo.click, lambda d, c, w, last: self.taken_back(d, c, w, last, "redo"), at, **slow)
        app = self.app
        acts: list[tuple[Callable[..., object], Act]] = [
            (self.accept.click, self._corrected_and(app.accept_clip)),
            (self.reject.click, lambda folder, clip, said, cut: app.reject_clip(folder, clip)),
            (self.reset.click, lambda folder, clip, said, cut: app.reset_clip(folder, clip)),
            (self.save.click, lambda folder, clip, said, cut: app.edit_clip(folder, clip, said)),
            (self.text.submit, lambda folder, clip, said, cut: app.edit_clip(folder, clip, said)),
            (self.split.click, lambda folder, clip, said, cut: app.split_clip(folder, clip, word=cut + 1)),
            (self.join.click, lambda folder, clip, said, cut: app.join_clip(folder, clip)),
            (self.realign.click, self._corrected_and(app.realign_clip)),
        ]
        for event, act in acts:
            self.on(event, self._acting(act), [*at, self.text, self.cut], **slow)

    def arrive(self, draft: Draft) -> Updates:
        try:
            if self.app.reviewer.is_made(draft.id):
                return {self.told: "", **self.shown(draft.id)}
        except VoicekitError as error:
            return {self.told: problem(error), self.summary: "", self.clips: gr.Column(visible=False)}
        return {self.told: _busy("Looking at the recordings", 0.0), self.summary: "", self.clips: gr.Column(visible=False)}

    def work(self, draft: Draft) -> Iterator[Updates]:
        """Show how the clips come to be: they are made once, however many pages look on, and also when none does."""
        made_here = False
        while not self.app.reviewer.is_made(draft.id):
            made_here = True
            for cutting in self.app.cuttings.follow(draft.id):
                yield {self.told: _busy(cutting.message or "Cutting and aligning", cutting.fraction)}
                if cutting.fault is not None:
                    yield {self.told: fault(cutting.fault.problem, cutting.fault.remedy)}
                    return
        if made_here:
            yield {self.told: "", **self.shown(draft.id)}
            yield from self._compared(draft)

    def _compared(self, draft: Draft) -> Iterator[Updates]:
        """Is the voice of the consent that of the recordings? Asked once there are clips."""
        given = next((c for c in self.app.consents() if c.id == draft.consent_id), None)
        if given is None or given.voice_ok is not None:
            return
        consent = self.app.check_consent_voice(draft.consent_id, self.app.drafts.recordings(draft.id))
        if consent.voice_ok:
            yield {self.told: said(f"The consent is by the same voice (likeness {consent.cosine:.2f}).", "good")}
        else:
            remedy = "Let the speaker of these recordings give the consent, or use recordings of whoever gave it."
            yield {self.told: fault(f"The consent is by another voice (likeness {consent.cosine:.2f}).", remedy)}

    def missing(self, draft: Draft) -> tuple[str, str]:
        if not self.app.reviewer.is_made(draft.id):
            return "The clips are not made yet.", "Wait until they are, or go back and change the recordings."
        found = self.app.reviewer.show(draft.id).summary
        if not found.enough:
            return (
                f"{found.usable_s:.0f} s of speech can be used; {found.needed_s:.0f} s are the least.",
                "Use more clips, or go back and add recordings.",
            )
        return "", ""

    def shown(self, draft_id: str, clip_id: str = "", wanted: str = clip_view.ALL, note: str = "") -> Updates:
        """The whole page around one chosen clip (the first that fits if none is)."""
        return self._around(draft_id, self.app.reviewer.show(draft_id), clip_id, wanted, note)

    def limited(self, draft_id: str, clip_id: str, before: str, latest: Latest, event: gr.EventData) -> Updates:
        """The list shows some of the clips; the chosen one stays if it is among them."""
        wanted = str(data_of(event).get("filter", before))
        mine = latest.now(clip_id)
        review = self.app.reviewer.show(draft_id)
        stays = any(r.clip.id == clip_id and clip_view.fits(r, wanted) for r in review.clips)
        return self._unless_overtaken(self._around(draft_id, review, clip_id if stays else "", wanted), latest, mine)

    def picked(self, draft_id: str, before: str, wanted: str, latest: Latest, event: gr.EventData) -> Updates:
        clip_id = str(data_of(event).get("clip", ""))
        mine = latest.now(clip_id)
        return self._unless_overtaken(self.shown(draft_id, clip_id, wanted), latest, mine)

    def moved(self, draft_id: str, clip_id: str, wanted: str, latest: Latest) -> Updates:
        """The next clip that fits, after the last the first again."""
        mine = latest.now(clip_id)
        review = self.app.reviewer.show(draft_id)
        number = next((i for i, r in enumerate(review.clips) if r.clip.id == clip_id), -1)
        in_turn = (*review.clips[number + 1 :], *review.clips[: number + 1])
        following = next((r.clip.id for r in in_turn if clip_view.fits(r, wanted)), "")
        latest.wanted = following
        return self._unless_overtaken(self._around(draft_id, review, following, wanted), latest, mine)

    def cut_after(self, draft_id: str, clip_id: str, event: gr.EventData) -> Updates:
        """A word was chosen: the clip may be parted after it."""
        clip = self.app.clip(self.app.drafts.dataset(draft_id), clip_id)
        count = min(int(data_of(event).get("word", 0)), len(clip.transcript.words) - 1)
        return {self.words: clip_view.words(clip, count), self.cut: str(count), self.split: _split_button(clip, count)}

    def taken_back(self, draft_id: str, clip_id: str, wanted: str, latest: Latest, which: str) -> Updates:
        """Undo or redo; the clip that it was about is shown."""
        mine = latest.now(clip_id)
        back = self.app.undo_decision if which == "undo" else self.app.redo_decision
        dataset, about = back(self.app.drafts.dataset(draft_id))
        told = "Taken back" if which == "undo" else "Done again"
        note = said(f"{told}: {_CALLED[about.action.value]}, {about.recording}.")
        shown = self.shown(draft_id, _at(dataset, about.recording, about.start_sample), wanted, note)
        return self._unless_overtaken(shown, latest, mine)

    def _acting(self, act: Act) -> Callable[[str, str, str, Latest, str, str], Updates]:
        """A handler that does something with the clip that was chosen when the button was pressed; who looks at another by now
        stays there."""

        def done(draft_id: str, clip_id: str, wanted: str, latest: Latest, words: str, cut: str) -> Updates:
            mine = latest.now(clip_id)
            folder = self.app.drafts.dataset(draft_id)
            clip = self.app.clip(folder, clip_id)
            dataset = act(folder, clip_id, words, int(cut or 0))
            at = _at(dataset, clip.recording, clip.start_sample)
            while True:
                number = latest.number
                shown = self.shown(draft_id, at if number == mine else latest.wanted, wanted)
                # Drawing takes a while, and somebody may have gone on meanwhile.
                if latest.number == number:
                    break
            if number == mine:
                return shown
            return {widget: value for widget, value in shown.items() if widget in self.of_list}

        return done

    def _unless_overtaken(self, shown: Updates, latest: Latest, mine: int) -> Updates:
        """Nothing is changed by an answer to a click that another has followed."""
        return shown if latest.number == mine else {self.table: gr.skip()}

    def _corrected_and(self, then: Callable[[Path, str], Dataset]) -> Act:
        """A text that was changed in the box counts, also where nobody pressed the button beside it."""

        def act(folder: Path, clip_id: str, words: str, cut: int) -> Dataset:
            if words.strip() and " ".join(words.split()) != self.app.clip(folder, clip_id).transcript.text:
                self.app.edit_clip(folder, clip_id, words)
            return then(folder, clip_id)

        return act

    def _around(self, draft_id: str, review: Review, clip_id: str, wanted: str, note: str = "") -> Updates:
        fit = [r for r in review.clips if clip_view.fits(r, wanted)]
        chosen = next((r for r in review.clips if r.clip.id == clip_id), fit[0] if fit else None)
        return {
            self.clips: gr.Column(visible=True),
            self.summary: clip_view.summary(review),
            self.filter: clip_view.chips(review, wanted),
            self.table: clip_view.table(fit, chosen.clip.id if chosen else ""),
            self.chosen: chosen.clip.id if chosen else "",
            self.wanted: wanted,
            self.cut: "0",
            self.undo: _back_button("Undo", review.undoable),
            self.redo: _back_button("Redo", review.redoable),
            self.detail: gr.Column(visible=chosen is not None),
            self.note: note,
            **(self._of(draft_id, review, chosen) if chosen else {}),
        }

    def _of(self, draft_id: str, review: Review, row: Reviewed) -> Updates:
        clip, known = row.clip, bool(row.clip.audio and row.clip.transcript.text)
        return {
            self.picture: self._picture(draft_id, row),
            self.words: clip_view.words(clip, 0),
            self.text: clip.transcript.text,
            self.split: _split_button(clip, 0),
            self.join: gr.Button(interactive=_followed(review, clip)),
            self.realign: gr.Button(interactive=known),
            self.reset: gr.Button(interactive=row.changed),
            self.grades: clip_view.grades(row, review),
        }

    def _picture(self, draft_id: str, row: Reviewed) -> str:
        title = clip_view.title(row)
        try:
            wave = self.app.reviewer.sound(draft_id, row.clip)
        except VoicekitError as error:
            return page(tag("div", title, css="panel")) + problem(error)
        uri = picture_uri(clip_picture(wave, row.clip.transcript.words))
        image = f'<img class="wide" alt="Waveform and spectrogram" src="{uri}">'
        return page(tag("div", title, sound(wave), image, css="panel"))


def _busy(message: str, fraction: float) -> str:
    title = tag("h3", "Cutting, aligning and grading the recordings")
    return page(tag("div", title, bar(fraction), tag("p", text(message), css="faint"), css="panel", role="status"))


def _split_button(clip: Clip, cut: int) -> gr.Button:
    words = clip.transcript.words
    if len(words) < 2:
        return gr.Button("Split", interactive=False)
    return gr.Button(f"Split after “{words[cut - 1].text}”" if cut else "Split: choose a word", interactive=cut > 0)


def _back_button(label: str, about: Decision | None) -> gr.Button:
    return gr.Button(f"{label}: {_CALLED[about.action.value]}" if about else label, interactive=about is not None)


def _followed(review: Review, clip: Clip) -> bool:
    """Whether the clip can be joined with the one after it."""
    ids = [r.clip.id for r in review.clips]
    following = review.clips[ids.index(clip.id) + 1 :][:1]
    return any(bool(clip.audio and r.clip.audio) and r.clip.recording == clip.recording for r in following)


def _at(dataset: Dataset, recording: str, start_sample: int) -> str:
    """The clip in which a place of a recording lies now: the first half of a split, the whole of a join."""
    there = [c for c in dataset.clips if c.recording == recording and c.start_sample <= start_sample]
    return there[-1].id if there else ""
