"""class App: one method for each thing a user can do. It knows ports and records; wiring.py gives it the parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np

from voicekit import __version__, audio, creation, files, pace, voice_files
from voicekit.access import Access
from voicekit.casting import Casting
from voicekit.curation import Curation
from voicekit.cuttings import Cuttings
from voicekit.dialogue import AudioDelta, Dialogue, Done, Failed, UserAudio, UserText
from voicekit.doctor import examine
from voicekit.drafts import Drafts
from voicekit.errors import NotPublishable, UsageError, error_of
from voicekit.exchange import Exported, export_dataset
from voicekit.lessons import Lesson, sample_lessons
from voicekit.making import Making
from voicekit.measure import Subject, measure
from voicekit.models import ModelState
from voicekit.ports import OnProgress, Progress, SpeechDelta
from voicekit.presets import Preset, presets
from voicekit.questions import read_questions
from voicekit.records import Consent, FloatArray, Question, Turn, Verdict, Voice, Waveform
from voicekit.results import Answer, BaseReport, Check, DemoAnswer, DemoShown, DistilledPart, VoiceDetails
from voicekit.review import Reviewer
from voicekit.shelf import silent
from voicekit.shipped import shipped
from voicekit.specs import DistilSpec, Recipe
from voicekit.storage import enough_room, read_json
from voicekit.timebase import MODEL_RATE_HZ
from voicekit.verbalization import visible

DEMO_VOICE = "sample"
EMBEDDED = "nano"
PREVIEW_TEXT = "hello, this is how i sound. what would you like to talk about?"


class App(Making, Access, Curation):
    """Everything lies under `home`. Making voices, also as jobs, is in `making`, datasets by themselves are in `curation`; this
    adds what is done with voices."""

    @cached_property
    def drafts(self) -> Drafts:
        """The voices that are being prepared by hand."""
        return Drafts(self._home)

    @cached_property
    def reviewer(self) -> Reviewer:
        """Clips of the drafts, to be heard and decided on."""
        return Reviewer(self.drafts, self._engines, self._base)

    @cached_property
    def cuttings(self) -> Cuttings:
        """How the cutting of the drafts' recordings goes."""
        return Cuttings(self.drafts, self.reviewer.make)

    @cached_property
    def casting(self) -> Casting:
        """Who speaks in the recordings of the drafts, and who of them is wanted."""
        return Casting(self.drafts, self._engines, lambda draft_id: self.reviewer.recipe(draft_id).prepare)

    def consent_for_draft(self, draft_id: str, speaker: str, language: str, recording: Path | str) -> Consent:
        """Keep a spoken consent for an unfinished voice; one that it had before goes, if nothing else uses it."""
        draft = self.drafts.get(draft_id)
        given = self.add_consent(draft.owner, speaker, language, recording)
        self.drafts.change(draft_id, consent_id=given.id)
        if draft.consent_id and not self._remover.is_used(draft.consent_id):
            self._carry_out(self._remover.of_consent(draft.consent_id))
        return given

    def consent_for_voice(self, name: str, version: int, speaker: str, language: str, recording: Path | str) -> Voice:
        """Keep a spoken consent for a version that is made, compared with its clips; one that it had before goes, if nothing else
        uses it. A published version keeps the one it has where the new one does not hold: NotPublishable."""
        voice = self._voice(name, version)
        given = self.add_consent(voice.owner, speaker, language, recording)
        try:
            changed = self.change_voice(name, version, consent_id=given.id)
        except NotPublishable:
            self._carry_out(self._remover.of_consent(given.id))
            raise
        if voice.consent_id and not self._remover.is_used(voice.consent_id):
            self._carry_out(self._remover.of_consent(voice.consent_id))
        return changed

    @staticmethod
    def steps(action: str = "create") -> dict[str, str]:
        """The steps whose progress an action reports, in order: key -> title."""
        match action:
            case "prepare":
                return {"prepare": creation.STEPS["prepare"]}
            case "evaluate":
                return {"evaluate": creation.STEPS["evaluate"]}
            case "tokenizer":
                return {"pairs": "Pairs", "tokenizer": "Tokenizer", "reader": "Reader", "measure": "Measuring"}
            case "prompts":
                return {"pairs": "Pairs", "extractor": "Extractor", "measure": "Measuring"}
            case "demo":
                return {**creation.STEPS, "answers": "Answers"}
            case _:
                return dict(creation.STEPS)

    def say(self, name: str, text: str, out: Path | str) -> Path:
        """Speak a text in a voice; the file written (wav or flac, 24 kHz mono)."""
        text = visible(text)
        if not text.strip():
            raise UsageError("There is nothing to say.", "Give a text.")
        write = _writer(Path(out))
        voice = self._voice(name)
        model = self._speaking(voice)
        self._check_text(voice, text)
        write(model.decode(model.speak(text)))
        return Path(out)

    def chat(
        self, name: str, text: str | None = None, audio_file: Path | str | None = None, out: Path | str | None = None
    ) -> Answer:
        """Ask one question, typed or spoken; the answer's audio is written to `out` if that is given."""
        if (text is None) == (audio_file is None):
            raise UsageError("A question is either typed or spoken.", "Give a text or an audio file.")
        write = _writer(Path(out)) if out else None
        question = UserText(text or "") if audio_file is None else UserAudio(audio.read(Path(audio_file)))
        dialogue = self.dialogue(name)
        dialogue.send(question)
        answer = collect(dialogue)
        if write is not None:
            write(answer.wave)
        return Answer(answer.text, answer.wave, Path(out) if out else None, answer.first_audio_ms, answer.real_time_factor)

    def dialogue(
        self, name: str, version: int = 0, history: Sequence[Turn] = (), heard: Sequence[Waveform] = (), seed: int = 0
    ) -> Dialogue:
        """A conversation with a voice that remembers its turns. It may begin with a `history`; `heard` is what its
        spoken turns sounded like (`Turn.clip_id` is a wave's digest)."""
        voice = self._voice(name, version)
        model = self._speaking(voice)
        for wave in heard:
            model.hear(wave)

        def stream(user: str | Waveform, past: Sequence[Turn], turn_seed: int) -> Iterator[SpeechDelta]:
            self._still_speaks(voice)
            if isinstance(user, str):
                self._check_text(voice, user)
            else:
                self._check_question(user)
            return model.stream(user, past, turn_seed)

        return Dialogue(stream, time.perf_counter, history, seed=seed)

    def check_files(self, voice: Voice) -> None:
        """Read the voice's files, which may take long the first time, before anybody waits for a model because of it."""
        voice_files.check(voice, self._home / voice.folder)

    def speech(self, name: str, text: str, version: int = 0, seed: int = 0) -> Iterator[FloatArray]:
        """A text spoken in a voice: samples at 24 kHz as they are made."""
        text = visible(text)
        voice = self._voice(name, version)
        model = self._speaking(voice)
        self._check_text(voice, text)
        deltas = model.speak_stream(text, seed)
        return (delta.samples for delta in deltas if len(delta.samples))

    def voices(self) -> list[Voice]:
        """Of each name, the newest published version, or the newest draft."""
        return self._catalog.voices()

    def versions(self, name: str) -> list[Voice]:
        """Every version of a voice, the oldest first."""
        return self._versions(name)

    def show(self, name: str, version: int = 0) -> VoiceDetails:
        """A voice with its numbers and lineage; version 0 is the one that speaks."""
        return self._details(self._voice(name, version))

    def preview(self, name: str, version: int = 0) -> Path:
        """A sentence in a voice, spoken once and then kept (wav). Raises VoiceRevoked."""
        voice = self._voice(name, version)
        self._check_state(voice)
        file = self._home / voice.folder / voice_files.PREVIEW
        if not file.exists():
            model = self._speaking(voice)
            save(model.decode(model.speak(PREVIEW_TEXT)), file)
        return file

    def evaluate(self, name: str, questions: Path | str | None = None, report: OnProgress = silent) -> VoiceDetails:
        """Measure a voice again, with its base's test questions or with a file of others. Its state stays as it is."""
        voice = self._voice(name)
        asked: tuple[Question, ...] = () if questions is None else read_questions(Path(questions))
        folder = self._home / voice.folder
        spec = Recipe.model_validate(read_json(folder / voice_files.JOB)["recipe"]).evaluate
        with enough_room(self._home, "run the same command again."):
            base = self._engines.open_base(voice.base_model)
            adapter, dataset = folder / voice_files.ADAPTER, folder / voice_files.DATASET
            subject = Subject(voice.run_id, base, self._speaking(voice), adapter, dataset)
            evaluation, _ = measure(subject, asked, spec, self._engines, uuid4().hex, report)
            self._catalog.add_evaluation(evaluation)
        report(Progress("evaluate", 1.0))
        return self._details(voice, evaluation.id)

    def hear(self, file: Path | str) -> Waveform:
        """A sound file as the models hear it."""
        return audio.read(Path(file))

    @staticmethod
    def export_dataset(folder: Path | str, form: str, out: Path | str) -> Exported:
        """Write a prepared dataset in another form: ljspeech, hf, textgrid or rttm."""
        return export_dataset(Path(folder), form, Path(out))

    def lessons(self, draft_id: str, clips: int = 4) -> tuple[Lesson, ...]:
        """Samples of what the model will learn of a draft's clips, token by token."""
        accepted = [r.clip for r in self.reviewer.show(draft_id).clips if r.clip.verdict is Verdict.ACCEPTED][:clips]
        speaker, spec = self.drafts.get(draft_id).name or "voice", self.reviewer.recipe(draft_id).train
        return sample_lessons(self._base(), [(c, self.reviewer.sound(draft_id, c)) for c in accepted], speaker, spec)

    def presets(self, clips: int) -> tuple[Preset, ...]:
        """The ways to train, with what each takes on this machine for so many clips."""
        base = self._base()
        return presets(base.forecast, pace.learned(self._home, base.info.revision), clips)

    def languages(self) -> tuple[str, ...]:
        """Those that the base for new voices speaks."""
        return tuple(self._base().info.languages)

    def doctor(self) -> list[Check]:
        """What works on this machine, and what to do about the rest."""
        models = self._engines.models()
        required = self._publisher.require_consent
        return list(examine(self._home, self._catalog, self._base, self._engines.device, __version__, models, required))

    def models(self) -> Sequence[ModelState]:
        """The outside models that messy recordings can use, with what of them is there."""
        return self._engines.models()

    def fetch_model(self, name: str, report: OnProgress = silent) -> Path:
        """Download one of them; the folder it lies in."""
        return self._engines.fetch_model(name, report)

    def check_base(self, base: str) -> BaseReport:
        """What a base model's folder holds, and what a missing part means; a name or a folder."""
        return self._engines.check_base(self._engines.find_base(base))

    def convert_base(self, base: str, out: Path | str) -> BaseReport:
        """Write a base model anew in voicekit's layout, pickles as safetensors; what is there then."""
        return self._engines.convert_base(self._engines.find_base(base), Path(out).expanduser())

    def distil(
        self, part: Literal["tokenizer", "prompts"], base: str, out: Path | None, spec: DistilSpec, report: OnProgress = silent
    ) -> DistilledPart:
        """Learn a part that a base lacks from its own decoder; without `out` it is put into the base itself."""
        if out is None and self._engines.find_base(base) == EMBEDDED:
            raise UsageError("The embedded base is not changed.", "Name the folder of a new base: -o OUT.")
        with enough_room(self._home if out is None else out, "run the same command again."):
            return self._engines.distil(part, self._engines.find_base(base), out, spec, report)

    def demo(self, out: Path | str, report: OnProgress = silent) -> DemoShown:
        """Create the voice of the bundled speaker, ask it three questions, put report and answers into `out`."""
        out = Path(out)
        details = self.create(DEMO_VOICE, shipped("assets/sample") / "recordings.zip", new_version=True, report=report)
        model = self._engines.open_base(details.voice.base_model)
        answers: list[DemoAnswer] = []
        for number, question in enumerate(_three(model.material.test), 1):
            report(Progress("answers", (number - 1) / 3, question.text))
            answers.append(DemoAnswer(question.text, self.chat(DEMO_VOICE, question.text, out=out / f"answer-{number}.wav")))
        files.write_bytes(out / voice_files.REPORT, details.report.read_bytes())
        report(Progress("answers", 1.0))
        return DemoShown(details, tuple(answers), out / voice_files.REPORT)


def collect(dialogue: Dialogue) -> Answer:
    """All that a dialogue says to what was sent, as one answer; its failure as the error it was."""
    pieces: list[FloatArray] = []
    done: Done | None = None
    for event in dialogue.events():
        match event:
            case AudioDelta(samples):
                pieces.append(samples)
            case Failed(code, problem, remedy):
                raise error_of(code, problem, remedy)
            case Done():
                done = event
            case _:
                pass
    if done is None:
        raise UsageError("Nothing was asked.", "Send a question first.")
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Answer(done.text, Waveform(samples[None], MODEL_RATE_HZ), None, done.first_audio_ms, done.real_time_factor)


def save(wave: Waveform, out: Path) -> None:
    """Write a .wav or .flac file, whole or not at all."""
    _writer(out)(wave)


def _writer(out: Path) -> Callable[[Waveform], None]:
    """Checked before any work is done: what is made must have a place to go."""
    kinds = {".wav": audio.write_wav, ".flac": audio.write_flac}
    kind = kinds.get(out.suffix.lower())
    if kind is None:
        raise UsageError(f"{out} is not a kind of audio that is written.", "Name a .wav or .flac file.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Name a file.")
    return lambda wave: kind(out, wave)


def _three(questions: Sequence[Question]) -> list[Question]:
    """Three of domains far apart in the list, or simply the first three."""
    firsts = list({q.domain: q for q in reversed(questions)}.values())[::-1]
    if len(firsts) < 3:
        return list(questions[:3])
    return [firsts[i * len(firsts) // 3] for i in range(3)]
