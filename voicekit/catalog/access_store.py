"""Who may do what: consents, API keys; and what requests leave behind: uploads and answers kept for idempotency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from voicekit.catalog.tables import ApiKeyRow, ConsentRow, JobRow, KeptAnswerRow, UploadRow, VoiceRow
from voicekit.catalog.units import Units
from voicekit.records import ApiKey, Consent, KeptAnswer, Upload, VoiceState


class AccessStore(Units):
    """ports.AccessBook."""

    def save_consent(self, consent: Consent) -> None:
        """Adds it, or brings the known one of that id up to date."""
        self._write(lambda session: session.merge(ConsentRow(**asdict(consent))))

    def consent(self, consent_id: str) -> Consent | None:
        with self._unit() as session:
            row = session.get(ConsentRow, consent_id)
            return None if row is None else _consent(row)

    def consents(self, owner: str | None = None) -> list[Consent]:
        """The newest first; `owner` None means everybody's."""
        query = select(ConsentRow).order_by(ConsentRow.created_at.desc(), ConsentRow.id)
        with self._unit() as session:
            return [_consent(row) for row in session.scalars(query if owner is None else query.where(ConsentRow.owner == owner))]

    def remove_consent(self, consent_id: str, now: str) -> None:
        """Forget a consent: every version that rests on it is revoked, and no voice or job names it any more."""

        def work(session: Session) -> None:
            for voice in session.scalars(select(VoiceRow).where(VoiceRow.consent_id == consent_id)):
                voice.state, voice.revoked_at = VoiceState.REVOKED, voice.revoked_at or now
                voice.consent_id, voice.consent_cosine = "", None
            for job in session.scalars(select(JobRow)):
                if job.request.get("consent_id") == consent_id:
                    job.request = {**job.request, "consent_id": ""}
            session.execute(delete(ConsentRow).where(ConsentRow.id == consent_id))

        self._write(work)

    def save_key(self, key: ApiKey) -> None:
        """Adds it, or brings the known one of that id up to date."""
        self._write(lambda session: session.merge(ApiKeyRow(**{**asdict(key), "scopes": list(key.scopes)})))

    def keys(self) -> list[ApiKey]:
        """The oldest first, revoked ones too."""
        with self._unit() as session:
            return [_key(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id))]

    def key_with(self, sha256: str) -> ApiKey | None:
        """The key of which the secret has that hash, revoked or not."""
        with self._unit() as session:
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.sha256 == sha256))
            return None if row is None else _key(row)

    def add_upload(self, upload: Upload) -> None:
        self._write(lambda session: session.merge(UploadRow(**asdict(upload))))

    def upload(self, upload_id: str) -> Upload | None:
        with self._unit() as session:
            row = session.get(UploadRow, upload_id)
            return None if row is None else _upload(row)

    def uploads(self, owner: str) -> list[Upload]:
        """The newest first."""
        query = select(UploadRow).where(UploadRow.owner == owner).order_by(UploadRow.created_at.desc(), UploadRow.id)
        with self._unit() as session:
            return [_upload(row) for row in session.scalars(query)]

    def remove_upload(self, upload_id: str) -> None:
        with self._unit() as session:
            session.execute(delete(UploadRow).where(UploadRow.id == upload_id))

    def claim_answer(self, answer: KeptAnswer) -> KeptAnswer | None:
        """None: the key was free and is now this request's. Else what is kept under it (status 0: still being worked on)."""

        def work(session: Session) -> KeptAnswer | None:
            row = session.get(KeptAnswerRow, (answer.key, answer.owner, answer.route))
            if row is not None:
                return KeptAnswer(row.key, row.owner, row.route, row.status, row.body, row.created_at, row.request)
            session.add(KeptAnswerRow(**asdict(answer)))
            return None

        return self._write(work)

    def save_answer(self, answer: KeptAnswer) -> None:
        self._write(lambda session: session.merge(KeptAnswerRow(**asdict(answer))))

    def remove_answer(self, key: str, owner: str, route: str) -> None:
        """The request failed: it may be made again under the same key."""
        with self._unit() as session:
            gone = delete(KeptAnswerRow).where(KeptAnswerRow.key == key, KeptAnswerRow.owner == owner)
            session.execute(gone.where(KeptAnswerRow.route == route))

    def remove_answers_about(self, ids: Sequence[str]) -> None:
        """Forget every kept answer that names one of these ids."""
        with self._unit() as session:
            for name in ids:
                session.execute(delete(KeptAnswerRow).where(KeptAnswerRow.body.contains(name, autoescape=True)))


def _consent(row: ConsentRow) -> Consent:
    return Consent(
        id=row.id,
        owner=row.owner,
        speaker=row.speaker,
        statement=row.statement,
        language=row.language,
        recording=row.recording,
        words_ok=row.words_ok,
        heard=row.heard,
        voice_ok=row.voice_ok,
        cosine=float("nan") if row.cosine is None else row.cosine,
        created_at=row.created_at,
    )


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, row.owner, tuple(row.scopes), row.sha256, row.created_at, row.revoked_at)


def _upload(row: UploadRow) -> Upload:
    return Upload(row.id, row.owner, row.path, row.name, row.num_bytes, row.created_at)
