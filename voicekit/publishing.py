"""Which voices may be used by others: passed by the gate, and consented to by whoever speaks in their recordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from voicekit import consent, voice_files
from voicekit.engines import Engines
from voicekit.errors import NotPublishable
from voicekit.evaluate import too_little
from voicekit.ports import Catalog
from voicekit.prepare import load_dataset
from voicekit.records import ConsentKind, ConsentState, Voice, VoiceState
from voicekit.specs import EvaluateSpec, Recipe
from voicekit.storage import read_json
from voicekit.timebase import utc


class Publisher:
    """Every interface publishes through here. `require_consent` False (VOICEKIT_REQUIRE_CONSENT): voices may be published
    without a consent, and say so wherever they are shown."""

    def __init__(self, home: Path, catalog: Catalog, engines: Engines, require_consent: bool = True) -> None:
        self._home, self._catalog, self._engines = home, catalog, engines
        self.require_consent = require_consent
        self._of_the_sample: dict[str, bool] = {}

    def publish(self, voice: Voice) -> Voice:
        """Let a version be used. The voice of its consent is compared with its clips first. Raises NotPublishable."""
        compared = self.compared(voice)
        if compared != voice:
            self._catalog.add_voice(compared)
        refusal = self.refusal(compared)
        if refusal is not None:
            raise refusal
        return self._saved(compared, VoiceState.PUBLISHED, "")

    def publish_if_allowed(self, voice: Voice) -> Voice:
        """The version published, or left the draft that it is where something is missing."""
        if voice.state is not VoiceState.DRAFT:
            return voice
        try:
            return self.publish(voice)
        except NotPublishable:
            return next((v for v in self._catalog.versions(voice.slug) if v.version == voice.version), voice)

    def revoke(self, voice: Voice) -> Voice:
        """It is kept, but it does not speak any more, and only a consent that is given from now on lets it speak again."""
        return self._saved(voice, VoiceState.REVOKED, voice.revoked_at or utc())

    def state(self, voice: Voice) -> ConsentState:
        """How it stands with the permission for a version, as far as is known without listening."""
        given = self._catalog.consent(voice.consent_id) if voice.consent_id else None
        return consent.state_of(voice, given, self._synthetic(voice), self.require_consent)

    def compared(self, voice: Voice) -> Voice:
        """The version with the likeness between the speaker of its consent and its clips; as it is without a consent."""
        given = self._catalog.consent(voice.consent_id) if voice.consent_id else None
        if given is None or given.owner != voice.owner or not (self._home / given.recording).is_file():
            return replace(voice, consent_cosine=None)
        folder = self._home / voice.folder / voice_files.DATASET
        dataset = load_dataset(folder)
        clips = [folder / clip.audio for clip in (*dataset.train(), *dataset.held_out())]
        found = consent.likeness_to(self._home / given.recording, clips, self._engines.speaker_encoder())
        self._catalog.save_consent(replace(given, voice_ok=found.ok, cosine=found.cosine))
        return replace(voice, consent_cosine=round(found.cosine, 4))

    def refusal(self, voice: Voice) -> NotPublishable | None:
        """Why a version cannot be published as it is; None if it can."""
        name = f"{voice.slug} version {voice.version}"
        evaluation = self._catalog.evaluation(voice.evaluation_id)
        if evaluation is None or not evaluation.passed:
            reasons = " ".join(evaluation.reasons) if evaluation else "It was never measured."
            made_for = (
                "Make it with another recipe." if evaluation and evaluation.for_checking else "Record more and make it again."
            )
            return NotPublishable(f"The gate refused {name}: {reasons}", made_for)
        # Versions before 0.11 let pass what was made for checking, of a handful of questions.
        if lacking := too_little(evaluation.metrics, self._spec_of(voice)):
            return NotPublishable(f"{name} cannot be published: {lacking}", "Make it again: its evaluation proves too little.")
        state = self.state(voice)
        if voice.state is VoiceState.REVOKED and not self._consented_since(voice, state):
            problem = f"{name} was revoked on {voice.revoked_at[:10] or 'an unknown day'}: it cannot simply be published again."
            return NotPublishable(problem, "Record a new consent of the speaker, give it to the voice, then publish it.")
        if self.require_consent and not state.holds:
            return NotPublishable(state.says, state.remedy)
        return None

    def _consented_since(self, voice: Voice, state: ConsentState) -> bool:
        given = self._catalog.consent(voice.consent_id) if voice.consent_id else None
        newer = given is not None and given.created_at > voice.revoked_at
        return newer and state.holds and state.kind is ConsentKind.SPOKEN

    def _spec_of(self, voice: Voice) -> EvaluateSpec:
        made = read_json(self._home / voice.folder / voice_files.JOB)
        return Recipe.model_validate(made["recipe"]).evaluate if "recipe" in made else EvaluateSpec()

    def _synthetic(self, voice: Voice) -> bool:
        if voice.dataset_id not in self._of_the_sample:
            recordings = self._catalog.recordings_of(voice.dataset_id)
            self._of_the_sample[voice.dataset_id] = consent.of_the_sample([r.id for r in recordings])
        return self._of_the_sample[voice.dataset_id]

    def _saved(self, voice: Voice, state: VoiceState, revoked_at: str) -> Voice:
        changed = replace(voice, state=state, revoked_at=revoked_at)
        self._catalog.add_voice(changed)
        return changed
