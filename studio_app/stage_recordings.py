"""Stage 2: recordings from files, a zip or the microphone, and what is said in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from gradio.blocks import Block

from studio_app.handed_in import taken_over
from studio_app.markup import CLICKS, GAP, badge, bar, button, fault, head, minutes, page, said, tag, text, tile
from studio_app.recorder import recorder
from studio_app.shell import EACH, QUIET, Updates, data_of
from studio_app.stage import Stage
from studio_app.whose_voice import WhoseVoice
from voicekit.drafts import Added, Draft, Material

_SOUNDS = [".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".webm", ".mp4", ".aac", ".zip"]
_KINDS = [*_SOUNDS, ".txt", ".lab", ".csv", ".tsv", ".xlsx", ".jsonl", ".srt", ".vtt", ".TextGrid", ".rttm"]
_SHOWN = 300


class RecordingsStage(Stage):
    key = "recordings"
    title = "Recordings"
    onwards = "Cut into clips and review"

    def layout(self) -> list[Block]:
        lead = (
            "A few minutes of one speaker in a quiet room are best. What is said comes from a metadata.csv or a .txt beside each "
            "file; without any, the machine writes down what it hears."
        )
        gr.HTML(head("Bring the recordings", lead))
        with gr.Row(equal_height=True):
            self.upload = gr.File(
                label="Recordings, a zip of them, their texts",
                file_count="multiple",
                file_types=_KINDS,
                height=190,
                elem_id="recordings",
            )
            with gr.Column():
                self.reading = gr.Textbox(label="Or read something into the microphone: what will you read?", lines=2)
                self.take = recorder("Record, then stop", "take")
        self.told = gr.HTML(js_on_load=CLICKS, elem_id="upload-result")
        self.tiles = gr.HTML(elem_id="material-tiles")
        self.table = gr.HTML(js_on_load=CLICKS, elem_id="material")
        self.whose = WhoseVoice(self.app, self.draft_id, self.complaint)
        with gr.Accordion("Write the texts here instead", open=False) as self.writing:
            self.texts = gr.Dataframe(
                headers=["recording", "what is said"], column_count=2, static_columns=[0], interactive=True, wrap=True,
                show_label=False, column_widths=["28%", "72%"], max_height=360,
            )  # fmt: skip
            self.keep = gr.Button("Use these texts")
        return [self.told, self.tiles, self.table, self.texts, self.upload, *self.whose.widgets]

    def wire(self) -> None:
        changes = [
            self.on(self.upload.upload, self.uploaded, [self.draft_id, self.upload], **QUIET),
            self.on(
                self.take.stop_recording,
                self.taken,
                [self.draft_id, self.take, self.reading],
                [*self.widgets, self.take, self.reading],
            ),
            *(self.on(shown.click, self.dropped, self.draft_id, **QUIET) for shown in (self.table, self.told)),
        ]
        for change in changes:
            change.then(self.whose.changed, self.draft_id, self.whose.widgets, **QUIET, **EACH)
        self.on(self.keep.click, self.written, [self.draft_id, self.texts])

    def arrive(self, draft: Draft) -> Updates:
        return {self.told: "", **self._shown(draft.id), **self.whose.shown(draft.id)}

    def work(self, draft: Draft) -> Iterator[Updates]:
        yield from self.whose.heard_out(draft.id)

    def missing(self, draft: Draft) -> tuple[str, str]:
        if not self.app.drafts.material(draft.id).recordings:
            return "There are no recordings yet.", "Upload some, or read into the microphone."
        return "", ""

    def uploaded(self, draft_id: str, files: list[str] | None) -> Iterator[Updates]:
        """One file after the other, with its result in the list at once."""
        given, results = [Path(f) for f in files or []], list[Added]()
        for number, path in enumerate(given, 1):
            yield {self.told: _progress(path.name, number - 1, len(given), results)}
            with taken_over(self.app.home, path):
                results += self.app.drafts.add(draft_id, [path])
        yield {self.told: _results(results), self.upload: None, **self._shown(draft_id)}

    def taken(self, draft_id: str, sound: str | None, reading: str) -> Updates:
        if not sound:
            return {self.told: gr.skip()}
        with taken_over(self.app.home, sound) as file:
            name = self.app.drafts.add_take(draft_id, file, reading)
        words = "with its text" if reading.strip() else "without a text"
        return {self.told: said(f"{name} was added, {words}."), self.take: None, self.reading: "", **self._shown(draft_id)}

    def dropped(self, draft_id: str, event: gr.EventData) -> Updates:
        """A recording is left out, or taken back. (No button calls it its `path`: Gradio would look for a file of its own.)"""
        data = data_of(event)
        name = str(data.get("recording", ""))
        if data.get("act") == "take-back":
            self.app.drafts.take_back(draft_id, name)
            return {self.told: said(f"{name} is used again.", "good"), **self._shown(draft_id)}
        self.app.drafts.drop(draft_id, name)
        return {self.told: _left_out(name), **self._shown(draft_id)}

    def written(self, draft_id: str, texts) -> Updates:  # a pandas table
        rows = {str(r[0]): str(r[1]) for r in texts.values.tolist() if str(r[1]).strip() not in ("", "nan", "None")}
        self.app.drafts.write_script(draft_id, rows)
        return {self.told: said(f"{len(rows)} texts are used.", "good"), **self._shown(draft_id)}

    def _shown(self, draft_id: str) -> Updates:
        found = self.app.drafts.material(draft_id)
        rows = [[f.path, f.text] for f in found.recordings if not f.fault]
        return {self.tiles: _tiles(found), self.table: _table(found), self.texts: rows}


def _left_out(name: str) -> str:
    back = button("Take it back", "take-back", recording=name)
    return page(tag("div", tag("b", text(f"{name} was left out.")), back, css="say note with-button"))


def _progress(name: str, done: int, total: int, results: list[Added]) -> str:
    line = f"Reading {name} ({done + 1} of {total}) …"
    return page(tag("div", tag("p", text(line)), bar(done / max(total, 1)), css="panel")) + _results(results)


def _results(results: list[Added]) -> str:
    """Only what went wrong needs words; the rest is in the list below."""
    bad = [r.fault if r.fault.startswith(r.name) else f"{r.name}: {r.fault}" for r in results if r.fault]
    took = sum(r.files for r in results)
    good = said(f"{took} {'recording was' if took == 1 else 'recordings were'} added.", "good") if took else ""
    if not bad:
        return good
    title = f"{len(bad)} {'file' if len(bad) == 1 else 'files'} could not be used; the others are kept."
    cure = "Save them again as wav or flac, and upload them once more."
    return (good + GAP if good else "") + said(title, "bad", [*bad, cure])


def _tiles(found: Material) -> str:
    if not found.recordings:
        return ""
    good = [f for f in found.recordings if not f.fault]
    longest = f"{len(found.recordings) - len(good)} cannot be used" if len(good) < len(found.recordings) else "all can be used"
    script = found.script or "no script found"
    if found.with_text < len(good):
        script += "; the machine writes down the rest" if found.with_text else "; the machine writes it down"
    tiles = (
        tile("Recordings", str(len(good)), longest),
        tile("Sound", minutes(found.duration_s), "3 minutes and more make a good voice"),
        tile("With a text", f"{found.with_text} of {len(good)}", script),
    )
    warn = fault(found.script_fault, found.script_remedy) if found.script_fault else ""
    extra = (
        f"The script also names {len(found.unused)} files that are not here, such as {found.unused[0]}." if found.unused else ""
    )
    return page(tag("div", *tiles, css="cards three"), *(GAP + more for more in (warn, said(extra) if extra else "") if more))


def _table(found: Material) -> str:
    if not found.recordings:
        return ""
    rows: list[str] = []
    for f in found.recordings[:_SHOWN]:
        state = badge(f.fault, "warn") if f.fault else text(f.text) if f.text else badge("to be written down")
        drop = button("Leave out", "drop", recording=f.path)
        length = f"{f.duration_s:.1f} s" if f.duration_s else "–"
        rows.append(tag("tr", tag("td", text(f.path)), tag("td", length, css="num"), tag("td", state), tag("td", drop)))
    heads = tag("tr", *(tag("th", t) for t in ("Recording", "Length", "What is said", "")))
    more = len(found.recordings) - _SHOWN
    note = tag("p", text(f"and {more} more"), css="faint") if more > 0 else ""
    return page(tag("div", tag("table", heads, *rows), note, css="rows tall"))
