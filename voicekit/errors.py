"""Everything voicekit raises on purpose. Each error has a stable code and says what to do.

VoicekitError
├── UsageError            the request itself makes no sense (exit 2)
│   ├── NameTaken         a voice of that name exists with other content
│   ├── VoiceNotFound
│   ├── VoiceRevoked      the voice was revoked and does not speak any more
│   ├── JobNotFound, DraftNotFound, ConsentNotFound, UploadNotFound, KeyNotFound
│   ├── NotPublishable    the gate refused the voice, or a consent is missing
│   └── Cancelled         somebody cancelled the job
├── InputError            what the user gave cannot be used (exit 3)
│   ├── RecordingsError   unreadable, silent, empty, too little speech
│   ├── ScriptError       the script does not fit the recordings
│   ├── ManifestError     a manifest of many voices has faults
│   ├── LanguageError     language unknown or not supported by the base
│   └── BaseModelError    a base directory is incomplete or malformed
├── ResourceError         the machine ran out of something: disk, memory (exit 5)
├── TrainingError         training diverged or produced no usable file (exit 6)
├── StepCrashed           the process of a job's step died (exit 10)
├── MissingModel          an optional model or package is not there (exit 7)
├── CatalogError          the catalog's database cannot be read or migrated (exit 8)
│   └── CatalogAway       it does not answer at the moment
└── IntegrityError        a voice's files are not the ones that were registered (exit 9)
"""

from typing import ClassVar


class VoicekitError(Exception):
    """Base of all errors a user can cause or fix. `str(error)` is one sentence of what and one of what to do."""

    code: ClassVar[str] = "voicekit_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem} {remedy}".strip())


class UsageError(VoicekitError):
    code = "usage"
    exit_code = 2


class NameTaken(UsageError):
    code = "name_taken"


class VoiceNotFound(UsageError):
    code = "voice_not_found"


class VoiceRevoked(UsageError):
    code = "voice_revoked"


class JobNotFound(UsageError):
    code = "job_not_found"


class DraftNotFound(UsageError):
    code = "draft_not_found"


class ConsentNotFound(UsageError):
    code = "consent_not_found"


class UploadNotFound(UsageError):
    code = "upload_not_found"


class KeyNotFound(UsageError):
    code = "key_not_found"


class NotPublishable(UsageError):
    code = "not_publishable"


class Cancelled(UsageError):
    code = "cancelled"


class InputError(VoicekitError):
    code = "bad_input"
    exit_code = 3


class RecordingsError(InputError):
    code = "bad_recordings"


class ScriptError(InputError):
    code = "bad_script"


class ManifestError(InputError):
    code = "bad_manifest"


class LanguageError(InputError):
    code = "bad_language"


class BaseModelError(InputError):
    code = "bad_base_model"


class ResourceError(VoicekitError):
    code = "out_of_resources"
    exit_code = 5


class TrainingError(VoicekitError):
    code = "training_failed"
    exit_code = 6


class StepCrashed(VoicekitError):
    code = "step_crashed"
    exit_code = 10


class MissingModel(VoicekitError):
    code = "missing_model"
    exit_code = 7


class CatalogError(VoicekitError):
    code = "catalog"
    exit_code = 8


class CatalogAway(CatalogError):
    code = "catalog_away"


class IntegrityError(VoicekitError):
    code = "files_changed"
    exit_code = 9


def error_of(code: str, problem: str, remedy: str) -> VoicekitError:
    """The error again of which only code and words travelled (through a dialogue's events, or over a wire)."""
    kinds: list[type[VoicekitError]] = [VoicekitError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return next((kind for kind in kinds if kind.code == code), VoicekitError)(problem, remedy)
