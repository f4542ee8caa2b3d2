"""Stage 2: recordings from files, a zip or the microphone, and what is said in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from gradio.blocks import Block

from studio_app.markup import CLICKS, GAP, badge, bar, fault, head, minutes, page, problem, said, tag, text, tile
from studio_app.shell import QUIET, Updates, data_of
from studio_app.stage import Stage
from studio_app.whose_voice import WhoseVoice
from voicekit.drafts import Added, Draft, Material
from voicekit.errors import VoicekitError

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
                self.take = gr.Audio(
                    sources=["microphone"], type="filepath", label="Record, then stop", editable=False, elem_id="take"
                )
        self.told = gr.HTML(elem_id="upload-result")
        self.tiles = gr.HTML(elem_id="material-tiles")
        self.table = gr.HTML(js_on_load=CLICKS, elem_id="material")
        self.whose = WhoseVoice(self.app, self.draft_id)
        with gr.Accordion("Write the texts here instead", open=False) as self.writing:
            self.texts = gr.Dataframe(
                headers=["recording", "what is said"], column_count=2, static_columns=[0], interactive=True, wrap=True,
                show_label=False, column_widths=["28%", "72%"], max_height=360,
            )  # fmt: skip
            self.keep = gr.Button("Use these texts")
        return [self.told, self.tiles, self.table, self.texts, self.upload, *self.whose.widgets]

    def wire(self) -> None:
        outputs = self.widgets
        changes = [
            self.upload.upload(self.uploaded, [self.draft_id, self.upload], outputs, **QUIET),
            self.take.stop_recording(self.taken, [self.draft_id, self.take, self.reading], [*outputs, self.take, self.reading]),
            self.table.click(self.dropped, self.draft_id, outputs, **QUIET),
        ]
        for change in changes:
            change.then(self.whose.changed, self.draft_id, self.whose.widgets, **QUIET)
        self.keep.click(self.written, [self.draft_id, self.texts], outputs)

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
        # Texts first: a script that comes with its recordings is then known when they are listed.
        for number, path in enumerate(given, 1):
            yield {self.told: _progress(path.name, number - 1, len(given), results)}
            try:
                results += self.app.drafts.add(draft_id, [path])
            except VoicekitError as error:
                yield {self.told: problem(error)}
                return
        yield {self.told: _results(results), self.upload: None, **self._shown(draft_id)}

    def taken(self, draft_id: str, sound: str | None, reading: str) -> Updates:
        if not sound:
            return {self.told: gr.skip()}
        try:
            name = self.app.drafts.add_take(draft_id, Path(sound), reading)
        except VoicekitError as error:
            return {self.told: problem(error)}
        words = "with its text" if reading.strip() else "without a text"
        return {self.told: said(f"{name} was added, {words}."), self.take: None, self.reading: "", **self._shown(draft_id)}

    def dropped(self, draft_id: str, event: gr.EventData) -> Updates:
        path = str(data_of(event).get("path", ""))
        try:
            self.app.drafts.drop(draft_id, path)
        except VoicekitError as error:
            return {self.told: problem(error)}
        return {self.told: said(f"{path} was left out."), **self._shown(draft_id)}

    def written(self, draft_id: str, texts) -> Updates:  # a pandas table
        rows = {str(r[0]): str(r[1]) for r in texts.values.tolist() if str(r[1]).strip() not in ("", "nan", "None")}
        try:
            self.app.drafts.write_script(draft_id, rows)
        except VoicekitError as error:
            return {self.told: problem(error)}
        return {self.told: said(f"{len(rows)} texts are used.", "good"), **self._shown(draft_id)}

    def _shown(self, draft_id: str) -> Updates:
        try:
            found = self.app.drafts.material(draft_id)
        except VoicekitError as error:
            return {self.table: problem(error)}
        rows = [[f.path, f.text] for f in found.recordings if not f.fault]
        return {self.tiles: _tiles(found), self.table: _table(found), self.texts: rows}


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
        drop = tag("button", "Leave out", css="btn", type="button", **{"data-act": "drop", "data-path": f.path})
        length = f"{f.duration_s:.1f} s" if f.duration_s else "–"
        rows.append(tag("tr", tag("td", text(f.path)), tag("td", length, css="num"), tag("td", state), tag("td", drop)))
    heads = tag("tr", *(tag("th", t) for t in ("Recording", "Length", "What is said", "")))
    more = len(found.recordings) - _SHOWN
    note = tag("p", text(f"and {more} more"), css="faint") if more > 0 else ""
    return page(tag("div", tag("table", heads, *rows), note, css="rows tall"))
