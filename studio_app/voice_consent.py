"""A new consent for a voice that is made, on its page: read aloud or uploaded, and compared with the voice's clips."""

from __future__ import annotations

import gradio as gr

from studio_app.handed_in import taken_over
from studio_app.markup import fault, said
from studio_app.recorder import recorder
from studio_app.shell import QUIET, Updates
from studio_app.stage_consent import statement_panel, statement_sent, told_of
from voicekit.app import App
from voicekit.consent import STATEMENTS
from voicekit.records import Voice


class VoiceConsent:
    """Folded away until somebody needs it."""

    def __init__(self, app: App) -> None:
        self.app = app
        with gr.Accordion("Give this version a new consent", open=False, elem_id="voice-consent"), gr.Row():
            with gr.Column(min_width=300):
                self.speaker = gr.Textbox(label="Who speaks", placeholder="Ada Example", max_lines=1)
                self.language = gr.Dropdown(sorted(STATEMENTS), label="Language of the statement", interactive=True)
                self.statement = gr.HTML()
            with gr.Column(min_width=300):
                self.recording = recorder("The statement, read aloud", "voice-consent-sound", ("microphone", "upload"))
                self.give = gr.Button("Check and give this consent", elem_id="give-consent")
                self.result = gr.HTML(elem_id="voice-consent-result")
        self.fields = [self.speaker, self.language, self.recording]
        self.widgets = [*self.fields, self.statement, self.result]
        self.language.input(statement_panel, self.language, self.statement, **QUIET)
        for event in (self.speaker.input, self.recording.input):
            event(None, None, self.result, js="() => ''", **QUIET)

    def empty(self, voice: Voice) -> Updates:
        """As it is before anything was said."""
        language = voice.language if voice.language in STATEMENTS else "en"
        statement = statement_panel(language)
        return {self.speaker: "", self.language: language, self.statement: statement, self.recording: None, self.result: ""}

    def give_to(self, name: str, version: int, speaker: str, language: str, recording: str | None) -> Voice:
        """The version with the consent that was recorded."""
        with taken_over(self.app.home, statement_sent(speaker, recording)) as file:
            return self.app.consent_for_voice(name, version, speaker.strip(), language, file)

    def outcome(self, voice: Voice) -> str:
        """What came of the consent that a version has by now."""
        given, state = self.app.consent(voice.consent_id), self.app.consent_state(voice)
        if not given.words_ok:
            return told_of(given)
        return said(state.says, "good") if state.holds else fault(state.says, state.remedy)
