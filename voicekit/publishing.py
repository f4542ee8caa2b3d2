"""Which voices may be used by others: passed by the gate, and consented to where that is required."""

from __future__ import annotations

from dataclasses import replace

from voicekit.errors import NotPublishable
from voicekit.ports import Catalog
from voicekit.records import Voice, VoiceState


class Publisher:
    """`require_consent` None: for voices that have an owner."""

    def __init__(self, catalog: Catalog, require_consent: bool | None) -> None:
        self._catalog = catalog
        self._require_consent = require_consent

    def consent_needed(self, owner: str) -> bool:
        return bool(owner) if self._require_consent is None else self._require_consent

    def publish(self, voice: Voice) -> Voice:
        """Raises NotPublishable with the reason."""
        evaluation = self._catalog.evaluation(voice.evaluation_id)
        if evaluation is None or not evaluation.passed:
            reasons = "; ".join(evaluation.reasons) if evaluation else "It was never measured."
            problem = f"The gate refused {voice.slug} version {voice.version}: {reasons}"
            raise NotPublishable(problem, "Record more and make it again.")
        if self.consent_needed(voice.owner):
            self._check_consent(voice)
        return self._saved(voice, VoiceState.PUBLISHED)

    def revoke(self, voice: Voice) -> Voice:
        """It is kept, but it does not speak any more."""
        return self._saved(voice, VoiceState.REVOKED)

    def _saved(self, voice: Voice, state: VoiceState) -> Voice:
        changed = replace(voice, state=state)
        self._catalog.add_voice(changed)
        return changed

    def _check_consent(self, voice: Voice) -> None:
        consent = self._catalog.consent(voice.consent_id) if voice.consent_id else None
        if consent is None or consent.owner != voice.owner:
            raise NotPublishable(f"Nobody consented to {voice.slug}.", "Record the speaker's consent and give it to the voice.")
        if not consent.holds:
            missing = "its words are not those of the statement" if not consent.words_ok else "it is not the recordings' voice"
            if consent.words_ok and consent.voice_ok is None:
                missing = "its voice was not compared with the recordings yet"
            raise NotPublishable(f"The consent to {voice.slug} does not hold: {missing}.", "Record the consent again.")
