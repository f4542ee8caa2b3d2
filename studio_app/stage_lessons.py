"""Stage 4: what the model will be told, and what of it it learns, token by token."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
from gradio.blocks import Block

from studio_app.markup import head, page, tag, text, tile
from studio_app.shell import QUIET, Updates
from studio_app.stage import Stage
from voicekit.drafts import Draft
from voicekit.lessons import Lesson, Part, Token

_LEAD = (
    "Each clip becomes the answer in a conversation. The model learns how the answer sounds, and not what it says: "
    "that is how it keeps its wits."
)


class LessonsStage(Stage):
    key = "lessons"
    title = "Conversations"
    onwards = "Continue to the training"

    def layout(self) -> list[Block]:
        gr.HTML(head("What the model will learn", _LEAD))
        self.told = gr.HTML()
        self.lessons = gr.State(())
        self.which = gr.Radio([], show_label=False, container=False, elem_id="lessons")
        self.shown = gr.HTML(elem_id="lesson")
        return [self.told, self.lessons, self.which, self.shown]

    def wire(self) -> None:
        self.on(
            self.which.input, lambda all_, n: {self.shown: _shown(all_[n])}, [self.lessons, self.which], [self.shown], **QUIET
        )

    def arrive(self, draft: Draft) -> Updates:
        wait = page(tag("p", text("Turning a few clips into speech tokens …"), css="soft"))
        return {self.told: wait, self.shown: "", self.which: gr.Radio(choices=[], value=None)}

    def work(self, draft: Draft) -> Iterator[Updates]:
        with self.app.turn:
            found = self.app.lessons(draft.id)
        choices = [(f"{number + 1}. {_short(lesson)}", number) for number, lesson in enumerate(found)]
        chosen = {self.which: gr.Radio(choices, value=0), self.shown: _shown(found[0])} if found else {}
        yield {self.told: "", self.lessons: found, **chosen}


def _short(lesson: Lesson) -> str:
    return {"replay": "rehearsal", "new_name": "old text, new name", "tts": "read aloud"}.get(lesson.kind, "recording as answer")


def _shown(lesson: Lesson) -> str:
    held = sum(t.held > 0 for t in lesson.tokens)
    tiles = (
        tile("Tokens", str(len(lesson.tokens)), "in this conversation"),
        tile("Learned", str(lesson.learned), "loss falls on these"),
        tile("Held", str(held), "kept as the base says them"),
    )
    body = tag("div", *(_token(t) for t in lesson.tokens), css="tokens")
    title = tag("h3", text(lesson.title))
    return page(tag("div", *tiles, css="cards three"), '<div class="gap"></div>', tag("div", title, _LEGEND, body, css="panel"))


def _token(token: Token) -> str:
    kind = {Part.SPEECH: "sound", Part.TEXT: "text", Part.CONTROL: ""}[token.part]
    css = f"tok {kind}" if token.loss > 0 else "tok held" if token.held > 0 else f"tok {kind} off"
    title = f"{token.part.value}: learned with weight {token.loss:g}" if token.loss > 0 else f"{token.part.value}: not learned"
    if token.held > 0:
        title += f", held to the base with weight {token.held:g}"
    return tag("span", text(token.shown), css=css.strip(), title=title)


_LEGEND = tag(
    "div",
    *(
        tag("span", tag("span", sample, css=f"tok {css}"), " ", text(meaning))
        for sample, css, meaning in (
            ("417", "sound", "speech token, learned"),
            ("word", "text", "text, learned"),
            ("word", "held", "text, held to what the base says"),
            ("word", "off", "seen, not learned"),
        )
    ),
    css="legend",
)
