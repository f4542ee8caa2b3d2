"""pyannote.audio's own diarization pipeline with the segmentation and the speaker encoder that come with voicekit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from voicekit.backends.segmentation import RATE_HZ, PyanNetSegmentation
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.instrument_ports import Diarizer
from voicekit.records import FloatArray, SpeakerTurn, Waveform
from voicekit.shipped import shipped_model

SEGMENTATION_STEP = 0.25
BATCH = 32
# Of thresholds 0.2 to 0.4 of the clustering, 0.4 to 0.6 of the segmentation and 2 or 3 windows a speaker, tried on readers for
# development in full band, a few at a time.
CHOSEN = {
    "segmentation": {"threshold": 0.6, "min_duration_off": 0.0},
    "clustering": {"method": "average", "threshold": 0.3, "min_cluster_size": 2},
}
LEVEL = 10 ** (-30 / 20)


class StockPipeline:
    """A `Diarizer`."""

    name = "pyannote.audio's pipeline"

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        import torch

        given = {"waveform": torch.from_numpy(wave.samples), "sample_rate": wave.sample_rate_hz}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._pipeline(given, num_speakers=num_speakers)
        tracks = found.speaker_diarization.itertracks(yield_label=True)
        turns = [SpeakerTurn(str(label), part.start, part.end) for part, _, label in tracks]
        return tuple(sorted(turns, key=lambda turn: turn.start_s))


def stock_pipeline() -> Diarizer:
    """The pipeline with agglomerative clustering: VBx needs a PLDA, which there is not for this encoder."""
    segmentation = PyanNetSegmentation(shipped_model("segmentation"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyannote.audio.core.plda import PLDA
        from pyannote.audio.pipelines import SpeakerDiarization

        pipeline = SpeakerDiarization(
            segmentation=segmentation.network,
            segmentation_step=SEGMENTATION_STEP,
            segmentation_batch_size=BATCH,
            embedding=_embedding_model(),
            embedding_batch_size=BATCH,
            embedding_exclude_overlap=True,
            plda=PLDA.__new__(PLDA),  # asked for, but not used by this clustering
            clustering="AgglomerativeClustering",
        )
    return StockPipeline(pipeline.instantiate(CHOSEN))


def _embedding_model() -> Any:
    """The speaker encoder as a model of pyannote.audio: float [batch, 1, T] and masks [batch, frames] to [batch, 256]."""
    import torch
    from pyannote.audio import Model
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    encoder = Ge2eSpeakerEncoder()

    class Ge2eModel(Model):
        dimension = 256

        def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None, **_: Any) -> torch.Tensor:
            samples = waveforms[:, 0].numpy()
            masks = np.ones((len(samples), 1), np.bool_) if weights is None else weights.numpy() > 0.5
            return torch.from_numpy(np.stack([_embedded(encoder, s, m) for s, m in zip(samples, masks, strict=True)]))

    model = Ge2eModel(sample_rate=RATE_HZ)
    model.specifications = Specifications(problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0)
    return model


def _embedded(encoder: Ge2eSpeakerEncoder, samples: FloatArray, mask: np.ndarray) -> FloatArray:
    """Not a number where nobody speaks, which the pipeline leaves out."""
    spoken = samples[mask[np.arange(len(samples)) * len(mask) // len(samples)]]
    if not len(spoken):
        return np.full(256, np.nan, np.float32)
    level = float(np.sqrt(np.mean(np.square(spoken))))
    return encoder.embed_samples(spoken * np.float32(max(1.0, LEVEL / max(level, 1e-6))))
