"""What lies in a voice's folder, and the check that it is still what was registered.

adapter/              the chat model's half
prompt.safetensors    the decoder's half: the voice prompt
decoder/              a few decoder weights, if they were fitted to the speaker
dataset/              the clips and their manifest
evaluation.json       the gate's numbers; report.html shows them
job.json              what was asked for
preview.wav           one sentence in the voice, once somebody wanted to hear it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voicekit.errors import BaseModelError, IntegrityError
from voicekit.ports import BaseModel, SpeakingModel
from voicekit.records import TrainingRun, Voice
from voicekit.storage import KnownHashes, read_prompt, tree_sha256

ADAPTER = "adapter"
PROMPT = "prompt.safetensors"
DECODER = "decoder"
DATASET = "dataset"
EVALUATION = "evaluation.json"
REPORT = "report.html"
JOB = "job.json"
PREVIEW = "preview.wav"


_hashes = KnownHashes()


@dataclass(frozen=True)
class Seal:
    """sha256 of the files that make a voice; `decoder` is "" when the decoder was not fitted."""

    adapter: str
    prompt: str
    decoder: str


def seal_of(folder: Path) -> Seal:
    decoder = folder / DECODER
    return Seal(
        adapter=tree_sha256(folder / ADAPTER),
        prompt=tree_sha256(folder / PROMPT),
        decoder=tree_sha256(decoder) if decoder.exists() else "",
    )


def check(voice: Voice, folder: Path) -> None:
    """Raises IntegrityError when a file of the voice is gone or is not the one that was registered. It is read once, and again
    after a change."""
    expected = {ADAPTER: voice.adapter_sha256, PROMPT: voice.prompt_sha256, DECODER: voice.decoder_sha256}
    for name, sha256 in expected.items():
        path = folder / name
        found = _hashes.tree_sha256(path) if path.exists() else ""
        if found != sha256:
            what = "changed since the voice was made" if found else "missing"
            raise IntegrityError(
                f"The {name} of {voice.slug} version {voice.version} is {what} ({path}).",
                f"Bring the original back, or remove the voice and create it again: voicekit remove {voice.slug}.",
            )


def speaking(voice: Voice, run: TrainingRun, folder: Path, base: BaseModel) -> SpeakingModel:
    """The voice, ready to talk; its files are checked first, and that the base is the one it was made for."""
    check(voice, folder)
    if base.info.revision != run.base_revision:
        wanted, found = run.base_revision[:12], base.info.revision[:12]
        raise BaseModelError(
            f"{voice.slug} was made for {run.base_model} at revision {wanted}; the {base.info.name} here is {found}.",
            "Bring that revision back, or create the voice again.",
        )
    decoder = folder / DECODER
    weights = next(p for p in sorted(decoder.iterdir()) if p.is_file()) if decoder.exists() else None
    return base.voice(voice.speaker, read_prompt(folder / PROMPT), folder / ADAPTER, weights)
