"""What every part of the App stands on: the home, the catalog, the engines, and how a voice is found and opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NoReturn

from voicekit import voice_files
from voicekit.engines import Engines
from voicekit.errors import IntegrityError, NotPublishable, RecordingsError, UsageError, VoiceNotFound, VoiceRevoked
from voicekit.ports import BaseModel, Catalog, Progress, SpeakingModel
from voicekit.prepare.folder import FACTS, load_facts
from voicekit.publishing import Publisher
from voicekit.records import ConsentState, Voice, VoiceState, Waveform
from voicekit.request import checked_name
from voicekit.results import VoiceDetails
from voicekit.verbalization import sayable


def silent(_: Progress) -> None:
    """The report for who does not watch."""


class Shelf:
    """Everything lies under `home`. `base` is the base model for new voices: a name or a folder. `require_consent` False: voices
    may be published without one."""

    def __init__(self, home: Path, catalog: Catalog, engines: Engines, base: str, require_consent: bool = True) -> None:
        self._home = home
        self._catalog = catalog
        self._engines = engines
        self._base_wanted = base
        self._publisher = Publisher(home, catalog, engines, require_consent)
        self.turn = Lock()
        """Held by whoever is in a model of this App, piece by piece: all doors that are open at once take turns."""

    @property
    def home(self) -> Path:
        """The folder that everything lies in; paths in records are relative to it."""
        return self._home

    def _base(self) -> BaseModel:
        """The base for new voices."""
        return self._engines.open_base(self._engines.find_base(self._base_wanted))

    def _versions(self, name: str) -> list[Voice]:
        """Every version of a name, the oldest first. Raises VoiceNotFound."""
        slug = checked_name(name)
        return self._catalog.versions(slug) or self._missing(slug)

    def _voice(self, name: str, version: int = 0) -> Voice:
        """That version, or for 0 the newest published one, else the newest draft. Raises VoiceNotFound."""
        versions = self._versions(name)
        if version:
            wanted = next((v for v in versions if v.version == version), None)
            if wanted is None:
                known = ", ".join(str(v.version) for v in versions)
                raise VoiceNotFound(f"The voice {name!r} has no version {version}.", f"There are: {known}.")
            return wanted
        published = [v for v in versions if v.state is VoiceState.PUBLISHED]
        return (published or versions)[-1]

    def _missing(self, slug: str) -> NoReturn:
        names = ", ".join(v.slug for v in self._catalog.voices()[:20])
        remedy = f"There are: {names}." if names else f"Make it: voicekit create {slug} RECORDINGS."
        raise VoiceNotFound(f"There is no voice {slug!r}.", remedy)

    def _check_text(self, voice: Voice, text: str) -> None:
        """UsageError if a text holds nothing that the voice can say or be asked: a model would invent something."""
        spoken = (*self._engines.open_base(voice.base_model).info.languages, voice.language)
        if not sayable(text, spoken):
            known = ", ".join(dict.fromkeys(spoken))
            problem = f"There is nothing in the text that {voice.slug} can say: no word, and no number."
            raise UsageError(problem, f"Give a text in a language of the voice: {known}.")

    def _check_question(self, wave: Waveform) -> None:
        """RecordingsError if nobody speaks in a spoken question."""
        if not wave.num_samples or not self._engines.vad().speech_spans(wave):
            raise RecordingsError("There is no speech in the question.", "Speak nearer to the microphone, or type the question.")

    def _still_speaks(self, voice: Voice) -> None:
        """Raises what keeps a version that was opened before from speaking now: it was removed or revoked meanwhile."""
        now = next((v for v in self._catalog.versions(voice.slug) if v.version == voice.version), None)
        if now is None or now.run_id != voice.run_id:
            raise VoiceNotFound(f"{voice.slug} version {voice.version} was removed.", "Choose another voice or version.")
        self._check_state(now)

    def _check_state(self, voice: Voice) -> None:
        if voice.state is VoiceState.REVOKED:
            remedy = "Use another version or voice, or give it a new consent of its speaker and publish it."
            raise VoiceRevoked(f"{voice.slug} version {voice.version} was revoked.", remedy)

    def _speaking(self, voice: Voice) -> SpeakingModel:
        self._check_state(voice)
        run = self._catalog.run(voice.run_id)
        if run is None:
            raise IntegrityError(f"The catalog does not know how {voice.slug} was made.", "Create the voice again.")
        base = self._engines.open_base(voice.base_model)
        return voice_files.speaking(voice, run, self._home / voice.folder, base)

    def _details(self, voice: Voice, evaluation_id: str = "") -> VoiceDetails:
        run = self._catalog.run(voice.run_id)
        evaluation = self._catalog.evaluation(evaluation_id or voice.evaluation_id)
        summary = self._catalog.summary_of(voice.dataset_id)
        if run is None or evaluation is None or summary is None:
            raise IntegrityError(f"The catalog's entry of {voice.slug} is incomplete.", "Create the voice again.")
        dataset = self._home / voice.folder / voice_files.DATASET
        facts = load_facts(dataset) if (dataset / FACTS).is_file() else None
        return VoiceDetails(
            voice=voice,
            run=run,
            evaluation=evaluation,
            recordings=tuple(self._catalog.recordings_of(voice.dataset_id)),
            clips_accepted=summary.accepted,
            clips_rejected=summary.rejected,
            speech_s=summary.speech_s,
            report=self._home / voice.folder / voice_files.REPORT,
            notes=facts.notes if facts else (),
            text_sources=facts.texts.of if facts else {},
            consent=self._publisher.state(voice),
        )

    def consent_state(self, voice: Voice) -> ConsentState:
        """How it stands with the permission for a version: to be shown wherever the voice is."""
        return self._publisher.state(voice)

    def refusal(self, voice: Voice) -> NotPublishable | None:
        """Why a version cannot be published as far as is known now; None: publishing finds out."""
        return self._publisher.refusal(replace(voice, consent_cosine=1.0) if voice.consent_cosine is None else voice)
