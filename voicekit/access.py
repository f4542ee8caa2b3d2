"""The part of the App that says who may: consents of speakers, keys of programs, what requests bring and leave behind."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from voicekit import audio, consent, files
from voicekit.errors import ConsentNotFound, KeyNotFound, RecordingsError, UploadNotFound, UsageError
from voicekit.prepare.intake import SCRIPT_SUFFIXES, find_audio
from voicekit.records import ApiKey, Consent, KeptAnswer, Upload
from voicekit.removal import GATHERED, UPLOADS
from voicekit.shelf import Shelf
from voicekit.timebase import utc

SCOPES = {
    "read": "see voices, jobs and consents",
    "write": "make, change and remove voices, jobs and consents",
    "speak": "have voices speak and answer",
}
SOUNDS = audio.SUFFIXES
RECORDINGS = SOUNDS | SCRIPT_SUFFIXES | {".zip"}
_SECRET_BYTES = 32
_CONSENT_S = 120.0
_ANSWERING_S = 900.0


class Access(Shelf):
    """Owners are names that the keys carry; "" is this machine's user."""

    def add_consent(self, owner: str, speaker: str, language: str, recording: Path | str, only_if_said: bool = False) -> Consent:
        """Keep a speaker's spoken consent and whether its words are those of the statement (voicekit.consent).

        With `only_if_said` other words are a RecordingsError, and nothing is kept. Raises LanguageError (no statement in that
        language), RecordingsError.
        """
        if not speaker.strip():
            raise UsageError("A consent needs to say who gives it.", "Give the speaker's name.")
        text = consent.statement(language)
        wave = audio.read(Path(recording), _CONSENT_S)
        words = consent.check_words(self._engines.judge().transcribe(wave, language), language)
        if only_if_said and not words.ok:
            understood = f"Understood was: {words.heard}" if words.heard else "Hardly a word of it was understood."
            raise RecordingsError("This is not the statement, so it was not kept.", f"{understood} Read it word for word: {text}")
        consent_id = f"consent-{uuid4().hex[:20]}"
        kept = Path("consents") / f"{consent_id}.flac"
        audio.write_flac(self._home / kept, wave)
        given = Consent(
            id=consent_id,
            owner=owner,
            speaker=speaker.strip(),
            statement=text,
            language=language,
            recording=kept.as_posix(),
            words_ok=words.ok,
            heard=words.heard,
            voice_ok=None,
            cosine=float("nan"),
            created_at=utc(),
        )
        try:
            self._catalog.save_consent(given)
        except BaseException:
            (self._home / kept).unlink(missing_ok=True)
            raise
        return given

    def consent(self, consent_id: str) -> Consent:
        found = self._catalog.consent(consent_id)
        if found is None:
            raise ConsentNotFound(f"There is no consent {consent_id!r}.", "Record one, or check its id.")
        return found

    def consents(self, owner: str | None = None) -> list[Consent]:
        """The newest first; `owner` None means everybody's."""
        return self._catalog.consents(owner)

    def check_consent_voice(self, consent_id: str, recordings: Path | str) -> Consent:
        """Compare the consent's voice with recordings (a folder, a zip or a file), and keep what came of it."""
        given = self.consent(consent_id)
        kept = self._home / given.recording
        with TemporaryDirectory(prefix=".work-", dir=kept.parent) as work:  # a zip is unpacked there
            root, paths = find_audio(Path(recordings), Path(work))
            likeness = consent.likeness_to(kept, [root / path for path in paths], self._engines.speaker_encoder())
        checked = replace(given, voice_ok=likeness.ok, cosine=likeness.cosine)
        self._catalog.save_consent(checked)
        return checked

    def create_key(self, name: str, owner: str = "", scopes: Sequence[str] = tuple(SCOPES)) -> tuple[ApiKey, str]:
        """A new key and its secret, which is shown this once: only its hash is kept."""
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise UsageError(f"{', '.join(unknown) or 'Nothing'} is not a scope.", f"Choose of {', '.join(SCOPES)}.")
        secret = f"vk_{secrets.token_urlsafe(_SECRET_BYTES)}"
        key = ApiKey(f"key-{uuid4().hex[:12]}", name, owner, tuple(s for s in SCOPES if s in scopes), _hash(secret), utc())
        self._catalog.save_key(key)
        return key, secret

    def keys(self) -> list[ApiKey]:
        """The oldest first, revoked ones too."""
        return self._catalog.keys()

    def revoke_key(self, key_id: str) -> ApiKey:
        """From now on the key opens nothing."""
        key = next((k for k in self.keys() if k.id == key_id), None)
        if key is None:
            raise KeyNotFound(f"There is no key {key_id!r}.", "List them: voicekit keys list.")
        revoked = key if key.revoked_at else replace(key, revoked_at=utc())
        self._catalog.save_key(revoked)
        return revoked

    def key_of(self, secret: str) -> ApiKey | None:
        """The key that has this secret, unless it was revoked."""
        key = self._catalog.key_with(_hash(secret))
        return None if key is None or key.revoked_at else key

    def add_upload(self, owner: str, name: str, file: Path) -> Upload:
        """Keep a file for later use, under its own name; it is moved."""
        upload = self.place_upload(owner, name, file)
        try:
            self._catalog.add_upload(upload)
        except BaseException:
            self.drop_upload(upload)
            raise
        return upload

    def place_upload(self, owner: str, name: str, file: Path) -> Upload:
        """The file alone, for one request: nobody finds it by its id. `drop_upload` takes it away."""
        upload_id = f"upload-{uuid4().hex[:20]}"
        safe = Path(name.replace("\\", "/")).name
        place = Path(UPLOADS) / upload_id / (safe if safe.strip(".") else "recording")
        target = self._home / place
        num_bytes = file.stat().st_size
        with files.beside(target) as tmp:
            shutil.move(file, tmp)
        return Upload(upload_id, owner, place.as_posix(), target.name, num_bytes, utc())

    def drop_upload(self, upload: Upload) -> None:
        """The file goes, whatever the catalog knows of it."""
        shutil.rmtree((self._home / upload.path).parent, ignore_errors=True)

    def upload(self, upload_id: str, owner: str | None = None) -> Upload:
        """`owner` None means anybody's."""
        found = self._catalog.upload(upload_id)
        if found is None or owner not in (None, found.owner):
            raise UploadNotFound(f"There is no upload {upload_id!r}.", "Upload the file again.")
        return found

    def uploads(self, owner: str) -> list[Upload]:
        return self._catalog.uploads(owner)

    def remove_upload(self, upload_id: str) -> None:
        """Forget the file; voices that are made of it keep their own copy."""
        found = self.upload(upload_id)
        self._catalog.remove_upload(upload_id)
        self.drop_upload(found)

    def gather(self, uploads: Sequence[Upload]) -> Path:
        """A new folder with these files, or their one zip, for a voice to be made from (see `forget_unused`)."""
        zips = [u for u in uploads if Path(u.name).suffix.lower() == ".zip"]
        if not uploads or (zips and len(uploads) > 1):
            raise UsageError("A voice is made of recordings, or of one zip of them.", "Send several files, or a single zip.")
        folder = self._home / GATHERED / uuid4().hex
        names: set[str] = set()
        try:
            for number, upload in enumerate(uploads):
                name = upload.name if upload.name.lower() not in names else f"{number}-{upload.name}"
                names.add(name.lower())
                with files.beside(folder / name) as tmp:
                    shutil.copyfile(self._home / upload.path, tmp)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / zips[0].name if zips else folder

    def claim_answer(self, key: str, owner: str, route: str, request: str) -> KeptAnswer | None:
        """None: the idempotency key is now this request's. Else the answer under it (status 0: still being made), perhaps to
        another `request` (a hash)."""
        claim = KeptAnswer(key, owner, route, 0, "", utc(), request)
        known = self._catalog.claim_answer(claim)
        if known is None or known.status or known.created_at > utc(ago_s=_ANSWERING_S):
            return known
        # Whoever claimed it was killed: nobody takes so long.
        self._catalog.remove_answer(key, owner, route)
        return self._catalog.claim_answer(claim)

    def keep_answer(self, key: str, owner: str, route: str, request: str, status: int, body: str) -> None:
        self._catalog.save_answer(KeptAnswer(key, owner, route, status, body, utc(), request))

    def drop_answer(self, key: str, owner: str, route: str) -> None:
        """The request failed: it may be made again under the same key."""
        self._catalog.remove_answer(key, owner, route)


def _hash(secret: str) -> str:
    # The secret is 256 random bits: nothing that a slow hash would have to protect.
    return hashlib.sha256(secret.encode()).hexdigest()
