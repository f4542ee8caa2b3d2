"""Stage 3: hear the clips, see what the machine thinks of them, and decide."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from threading import Thread

import gradio as gr
from gradio.blocks import Block

from studio_app.markup import CLICKS, badge, bar, fault, head, minutes, page, picture_uri, problem, said, sound, tag, text, tile
from studio_app.shell import QUIET, Updates, data_of, spacer
from studio_app.stage import Stage
from voicekit.drafts import Draft
from voicekit.errors import VoicekitError
from voicekit.ports import Progress
from voicekit.records import Clip, Verdict
from voicekit.report.plots import clip as clip_picture
from voicekit.review import Review, Reviewed

_SHOWN = 400
_FILTERS = {
    "All": lambda r: True,
    "Used": lambda r: _used(r),
    "Left out": lambda r: not _used(r),
    "Decided by hand": lambda r: r.by_hand,
}


class ReviewStage(Stage):
    key = "review"
    title = "Review"
    onwards = "Continue to the conversations"

    def layout(self) -> list[Block]:
        lead = "Every clip with what the machine thinks of it. Listen to the doubtful ones; your word counts."
        gr.HTML(head("Review the clips", lead))
        self.told = gr.HTML(elem_id="review-state")
        self.tiles = gr.HTML()
        self.chosen = gr.State("")
        with gr.Column(visible=False) as self.clips:
            self.filter = gr.Radio(list(_FILTERS), value="All", show_label=False, container=False)
            self.table = gr.HTML(js_on_load=CLICKS, elem_id="clips")
            self.picture = gr.HTML(elem_id="clip")
            with gr.Row(elem_classes="vk-bar"):
                self.text = gr.Textbox(show_label=False, container=False, scale=4, placeholder="What is said in this clip")
                self.save = gr.Button("Correct the text", scale=0, min_width=140)
            with gr.Row(elem_classes="vk-bar"):
                self.accept = gr.Button("Use this clip", variant="primary", scale=0, min_width=130)
                self.reject = gr.Button("Leave it out", variant="stop", scale=0, min_width=130)
                self.undo = gr.Button("As the machine says", scale=0, min_width=160)
                spacer()
                self.next = gr.Button("Next clip", scale=0, min_width=110)
        return [self.told, self.tiles, self.clips, self.table, self.picture, self.text, self.chosen, self.filter]

    def wire(self) -> None:
        outputs = self.widgets
        at = [self.draft_id, self.chosen, self.filter]
        self.table.click(self.picked, [self.draft_id, self.filter], outputs, **QUIET)
        self.filter.change(lambda d, c, f: self.shown(d, c, f), at, outputs, **QUIET)
        self.accept.click(lambda d, c, f: self.decided(d, c, f, Verdict.ACCEPTED), at, outputs, **QUIET)
        self.reject.click(lambda d, c, f: self.decided(d, c, f, Verdict.REJECTED), at, outputs, **QUIET)
        self.undo.click(self.undone, at, outputs, **QUIET)
        self.save.click(lambda d, c, f, t: self.decided(d, c, f, None, t), [*at, self.text], outputs, **QUIET)
        self.text.submit(lambda d, c, f, t: self.decided(d, c, f, None, t), [*at, self.text], outputs, **QUIET)
        self.next.click(self.moved, at, outputs, **QUIET)

    def arrive(self, draft: Draft) -> Updates:
        try:
            if self.app.reviewer.is_made(draft.id):
                return {self.told: "", **self.shown(draft.id)}
        except VoicekitError as error:
            return {self.told: problem(error), self.clips: gr.Column(visible=False)}
        return {self.told: _busy("Looking at the recordings", 0.0), self.tiles: "", self.clips: gr.Column(visible=False)}

    def work(self, draft: Draft) -> Iterator[Updates]:
        """Cut, align and grade in a thread, so that its progress can be seen."""
        try:
            if self.app.reviewer.is_made(draft.id):
                return
            news: Queue[Progress | VoicekitError | None] = Queue()
            Thread(target=self._make, args=(draft.id, news), daemon=True).start()
            while (event := news.get()) is not None:
                if isinstance(event, VoicekitError):
                    raise event
                yield {self.told: _busy(event.message or "Cutting and aligning", event.fraction)}
            yield {self.told: "", **self.shown(draft.id)}
            yield from self._compared(draft)
        except VoicekitError as error:
            yield {self.told: problem(error)}

    def _compared(self, draft: Draft) -> Iterator[Updates]:
        """Is the voice of the consent that of the recordings? Asked once there are clips."""
        if not draft.consent_id or self.app.consent(draft.consent_id).voice_ok is not None:
            return
        consent = self.app.check_consent_voice(draft.consent_id, self.app.drafts.recordings(draft.id))
        if consent.voice_ok:
            yield {self.told: said(f"The consent is by the same voice (likeness {consent.cosine:.2f}).", "good")}
        else:
            remedy = "Let the speaker of these recordings give the consent, or use recordings of whoever gave it."
            yield {self.told: fault(f"The consent is by another voice (likeness {consent.cosine:.2f}).", remedy)}

    def _make(self, draft_id: str, news: Queue[Progress | VoicekitError | None]) -> None:
        try:
            self.app.reviewer.make(draft_id, news.put)
            news.put(None)
        except VoicekitError as error:
            news.put(error)
        except Exception as error:
            news.put(
                VoicekitError(f"The recordings could not be prepared: {error}.", "Try again; if it stays, run voicekit doctor.")
            )

    def missing(self, draft: Draft) -> tuple[str, str]:
        if not self.app.reviewer.is_made(draft.id):
            return "The clips are not made yet.", "Wait until they are, or go back and change the recordings."
        review, needed_s = self.app.reviewer.show(draft.id), self.app.reviewer.recipe(draft.id).prepare.min_speech_s
        if review.usable_s < needed_s:
            return (
                f"{review.usable_s:.0f} s of speech can be used; {needed_s:.0f} s are the least.",
                "Use more clips, or go back and add recordings.",
            )
        return "", ""

    def shown(self, draft_id: str, clip_id: str = "", wanted: str = "All") -> Updates:
        """The whole page around one chosen clip (the first that fits if none is)."""
        try:
            review = self.app.reviewer.show(draft_id)
        except VoicekitError as error:
            return {self.told: problem(error)}
        fit = [r for r in review.clips if _FILTERS[wanted](r)]
        chosen = next((r for r in review.clips if r.clip.id == clip_id), fit[0] if fit else None)
        return {
            self.clips: gr.Column(visible=True),
            self.tiles: _tiles(review),
            self.table: _table(fit, chosen.clip.id if chosen else ""),
            self.chosen: chosen.clip.id if chosen else "",
            self.picture: self._picture(draft_id, chosen),
            self.text: chosen.clip.transcript.text if chosen else "",
        }

    def picked(self, draft_id: str, wanted: str, event: gr.EventData) -> Updates:
        return self.shown(draft_id, str(data_of(event).get("clip", "")), wanted)

    def decided(self, draft_id: str, clip_id: str, wanted: str, verdict: Verdict | None, words: str | None = None) -> Updates:
        try:
            self.app.reviewer.decide(draft_id, clip_id, verdict, words)
        except VoicekitError as error:
            return {self.told: problem(error)}
        return {self.told: "", **self.shown(draft_id, clip_id, wanted)}

    def undone(self, draft_id: str, clip_id: str, wanted: str) -> Updates:
        try:
            self.app.reviewer.reset(draft_id, clip_id)
        except VoicekitError as error:
            return {self.told: problem(error)}
        return {self.told: "", **self.shown(draft_id, clip_id, wanted)}

    def moved(self, draft_id: str, clip_id: str, wanted: str) -> Updates:
        """The next clip that fits the filter, after the last the first again."""
        try:
            ids = [r.clip.id for r in self.app.reviewer.show(draft_id).clips if _FILTERS[wanted](r)]
        except VoicekitError as error:
            return {self.told: problem(error)}
        after = ids.index(clip_id) + 1 if clip_id in ids else 0
        return self.shown(draft_id, ids[after % len(ids)] if ids else "", wanted)

    def _picture(self, draft_id: str, chosen: Reviewed | None) -> str:
        if chosen is None:
            return said("No clip fits this filter.")
        clip = chosen.clip
        try:
            wave = self.app.reviewer.sound(draft_id, clip)
        except VoicekitError as error:
            return page(tag("div", _title(chosen), css="panel")) + problem(error)
        image = (
            f'<img class="wide" alt="Waveform and spectrogram" src="{picture_uri(clip_picture(wave, clip.transcript.words))}">'
        )
        return page(tag("div", _title(chosen), sound(wave), image, css="panel"))


def _used(row: Reviewed) -> bool:
    return row.clip.verdict is Verdict.ACCEPTED


def _busy(message: str, fraction: float) -> str:
    title = tag("h3", "Cutting, aligning and grading the recordings")
    return page(tag("div", title, bar(fraction), tag("p", text(message), css="faint"), css="panel", role="status"))


def _tiles(review: Review) -> str:
    left_out = len(review.clips) - review.accepted
    by_hand = sum(r.by_hand for r in review.clips)
    tiles = (
        tile("Usable speech", minutes(review.usable_s), "3 minutes and more make a good voice"),
        tile("Clips used", str(review.accepted), f"{by_hand} decided by hand" if by_hand else "as the machine says"),
        tile("Left out", str(left_out), "each with its reason below"),
    )
    more = "What would help most" if review.advice else ""
    advice = '<div class="gap"></div>' + said(more, "note", [*review.advice, *review.notes]) if more else ""
    return page(tag("div", *tiles, css="cards three")) + advice


def _table(rows: list[Reviewed], chosen: str) -> str:
    heads = tag("tr", *(tag("th", t) for t in ("Clip", "Length", "Above noise", "Match", "Pace", "What is said", "Verdict")))
    return page(tag("div", tag("table", heads, *(_row(r, chosen) for r in rows[:_SHOWN])), css="rows tall clips-table"))


def _row(row: Reviewed, chosen: str) -> str:
    clip, grades = row.clip, row.clip.grades
    match = grades.script_match
    cells = (
        tag("td", text(_where(clip))),
        tag("td", f"{clip.duration_s:.1f} s", css="num"),
        tag("td", f"{grades.snr_db:.0f} dB" if clip.audio else "–", css="num"),
        tag("td", tag("div", bar(match, "good" if match >= 0.7 else "bad" if match < 0.5 else ""), style="width:56px"),
            title=f"{match:.2f}"),
        tag("td", f"{grades.speaking_rate_wps:.1f}/s" if clip.audio else "–", css="num"),
        tag("td", text(clip.transcript.text) or "–"),
        tag("td", _verdict(row)),
    )  # fmt: skip
    css = "pick chosen" if clip.id == chosen else "pick"
    return tag("tr", *cells, css=css, tabindex="0", **{"data-act": "pick", "data-clip": clip.id})


def _verdict(row: Reviewed) -> str:
    hand = " · by hand" if row.by_hand else ""
    if _used(row):
        return badge(f"used{hand}", "good")
    return badge(f"left out{hand}", "warn") + tag("div", text(row.clip.reason), css="faint")


def _title(row: Reviewed) -> str:
    clip, g = row.clip, row.clip.grades
    words = f"{clip.duration_s:.1f} s · {g.snr_db:.0f} dB above noise · {g.loudness_lufs:.0f} LUFS · match {g.script_match:.2f}"
    clipped = f" · {100 * g.clipped_ratio:.1f} % clipped" if g.clipped_ratio else ""
    title = tag(
        "div", tag("b", text(_where(clip))), tag("span", text(words + clipped), css="faint"), _verdict(row), css="clip-title"
    )
    return title


def _where(clip: Clip) -> str:
    start_s = clip.start_sample / clip.sample_rate_hz if clip.sample_rate_hz else 0.0
    return f"{clip.recording} · {start_s:.1f} s" if start_s > 1 else clip.recording
