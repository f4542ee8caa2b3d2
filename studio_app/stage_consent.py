"""Stage 1: whose voice it is, how it is called, and that its owner agreed."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
from gradio.blocks import Block

from studio_app.handed_in import taken_over
from studio_app.markup import GAP, fault, head, page, problem, said, sound, tag, text
from studio_app.recorder import recorder
from studio_app.shell import QUIET, Updates
from studio_app.stage import Stage
from studio_app.sure import Sure
from voicekit.app import App
from voicekit.consent import statement
from voicekit.drafts import Draft
from voicekit.errors import ConsentNotFound, UsageError, VoicekitError
from voicekit.records import Consent
from voicekit.request import checked_name


class ConsentStage(Stage):
    key = "consent"
    title = "Consent"
    onwards = "Continue to the recordings"

    def layout(self) -> list[Block]:
        gr.HTML(head("Whose voice is it?", "A voice belongs to a person. Name it, and let its owner say that they agree."))
        with gr.Row():
            with gr.Column():
                hint = "2 to 40 small letters, digits, - or _."
                self.name = gr.Textbox(label="Name of the voice", info=hint, placeholder="ada", max_lines=1, elem_id="voice-name")
                self.language = gr.Dropdown([], label="Language of the recordings", interactive=True)
                self.speaker = gr.Textbox(label="Who speaks", placeholder="Ada Example", max_lines=1)
                self.told = gr.HTML(elem_id="consent-told")
            with gr.Column():
                self.statement = gr.HTML()
                self.recording = recorder("The statement, read aloud", "consent-sound", ("microphone", "upload"))
                self.check = gr.Button("Check and keep this consent")
                self.withdraw = gr.Button("Remove the consent that is kept", visible=False, elem_id="withdraw")
                self.sure = Sure("withdraw", "Yes, remove it", "Keep it")
                self.result = gr.HTML(elem_id="consent-result")
        fixed = [self.name, self.language, self.speaker, self.statement, self.result, self.told, self.recording, self.withdraw]
        return [*fixed, *self.sure.widgets]

    @property
    def fields(self) -> list[Block]:
        """What `keep` is given."""
        return [self.name, self.language]

    def wire(self) -> None:
        fields = [self.draft_id, *self.fields]
        for event in (self.name.blur, self.language.input):
            self.on(event, self.renamed, fields, [self.statement], **QUIET)
        inputs = [self.draft_id, self.speaker, self.language, self.recording]
        kept = [self.result, self.withdraw, self.recording]
        self.on(self.check.click, self.checked, inputs, kept, told=self.result, trigger_mode="once")
        asked = self.sure.widgets
        self.on(self.withdraw.click, self.withdrawal_asked, self.draft_id, asked, told=self.told)
        self.on(self.sure.yes.click, self.withdrawn, self.draft_id, [self.withdraw, *asked], told=self.result)
        # What was wrong with the consent is not any more, once its name or its recording is another.
        for event in (self.speaker.input, self.recording.input):
            self.on(event, self.stored, self.draft_id, [self.result], told=self.result, **QUIET)

    def arrive(self, draft: Draft) -> Updates:
        languages = list(dict.fromkeys([*self.app.languages(), draft.language]))
        given = self._consent(draft)
        return {
            self.name: draft.name,
            self.language: gr.Dropdown(languages, value=draft.language),
            self.speaker: given.speaker if given else "",
            self.statement: statement_panel(draft.language),
            self.result: self._told(given) if given else _NONE_YET,
            self.withdraw: gr.Button(visible=given is not None),
            **self.sure.hidden(),
            self.recording: None,
            self.told: "",
        }

    def missing(self, draft: Draft) -> tuple[str, str]:
        return ("", "") if draft.name else ("The voice has no name yet.", "Write one: small letters, digits, - or _.")

    def keep(self, draft_id: str, name: str, language: str) -> None:
        """Remember what is typed. Raises UsageError for what cannot be a name."""
        slug = (name or "").strip().lower()
        self.app.drafts.change(draft_id, name=checked_name(slug) if slug else "", language=language)

    def renamed(self, draft_id: str, name: str, language: str) -> Updates:
        self.keep(draft_id, name, language)
        slug = name.strip().lower()
        taken = slug in {v.slug for v in self.app.voices()}
        note = said(f"There is a voice {slug} already; this one becomes its next version.") if taken else ""
        return {self.told: note, self.statement: statement_panel(language)}

    def stored(self, draft_id: str) -> Updates:
        given = self._consent(self.app.drafts.get(draft_id))
        return {self.result: self._told(given) if given else _NONE_YET}

    def checked(self, draft_id: str, speaker: str, language: str, recording: str | None) -> Iterator[Updates]:
        sent = statement_sent(speaker, recording)
        yield {self.result: LISTENING}
        with taken_over(self.app.home, sent) as file:
            consent = self.app.consent_for_draft(draft_id, speaker.strip(), language, file)
        yield {self.result: self._told(consent), self.withdraw: gr.Button(visible=True), self.recording: None}

    def withdrawal_asked(self, draft_id: str) -> Updates:
        removal = self.app.removal_of_consent(self.app.drafts.get(draft_id).consent_id)
        return self.sure.asked(removal.in_words("This deletes the recording for good", "This revokes"))

    def withdrawn(self, draft_id: str) -> Updates:
        """The kept consent is forgotten, and no voice rests on it any more."""
        removed = self.app.remove_consent(self.app.drafts.get(draft_id).consent_id)
        return {self.result: said(removed.in_words("Removed")), self.withdraw: gr.Button(visible=False), **self.sure.hidden()}

    def _consent(self, draft: Draft) -> Consent | None:
        """None also where it was removed meanwhile."""
        try:
            return self.app.consent(draft.consent_id) if draft.consent_id else None
        except ConsentNotFound:
            return None

    def _told(self, given: Consent) -> str:
        """What was understood, and the recording that is kept."""
        return told_of(given) + GAP + kept_sound(self.app, given)


_NONE_YET = page(
    tag(
        "p",
        text("You may go on without one and try the voice yourself. A consent is needed before it is published."),
        css="faint",
    )
)


LISTENING = page(tag("p", text("Listening to the statement …"), css="soft"))


def statement_sent(speaker: str, recording: str | None) -> str:
    """The recording of a statement. UsageError without one, or without a name."""
    if recording and speaker.strip():
        return recording
    missing = "Write who speaks" if recording else "Record or upload the statement"
    raise UsageError("A consent needs a name and a recording.", f"{missing}, then check it again.")


def statement_panel(language: str) -> str:
    """What is to be read aloud in a language, or in which there is something."""
    try:
        sentence = statement(language)
    except VoicekitError as error:
        return problem(error)
    return page(tag("div", tag("h3", "Please read this aloud"), tag("p", text(sentence), style="font-size:17px"), css="panel"))


def kept_sound(app: App, given: Consent) -> str:
    """The recording that is kept, to be heard."""
    try:
        return page(
            tag("p", text(f"Kept: the recording of {given.speaker}."), css="faint"), sound(app.hear(app.home / given.recording))
        )
    except VoicekitError as error:
        return problem(error)


def told_of(consent: Consent) -> str:
    """What was understood, and whether the voice is that of the recordings."""
    if not consent.words_ok:
        heard = f"Understood was: {consent.heard}" if consent.heard else "Hardly a word of it was understood."
        return fault("This is not the statement.", f"{heard} Read it once more, word for word, in a quiet room.")
    voice = {
        None: "The voice is compared as soon as there are recordings.",
        True: f"The voice is that of the recordings (likeness {consent.cosine:.2f}).",
        False: f"The voice is not that of the recordings (likeness {consent.cosine:.2f}): the speaker must consent in person.",
    }[consent.voice_ok]
    return said("The words match.", "bad" if consent.voice_ok is False else "good", [voice])
