"""Complete model folders of outside libraries with very small random weights: what they say is nonsense, how they run is real."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any


def write_tiny_demucs(folder: Path, seed: int = 0) -> Path:
    """A hybrid transformer demucs as a bag of one, in the layout of the released files."""
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    settings: dict[str, Any] = dict(
        sources=["drums", "vocals"], channels=8, growth=2, nfft=1024, depth=2, t_layers=1, t_heads=2, segment=2
    )
    settings |= dict(samplerate=16_000, bottom_channels=16, dconv_depth=1, t_sin_random_shift=0)
    model = HTDemucs(**settings)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    torch.save({"klass": HTDemucs, "args": (), "kwargs": settings, "state": state}, folder / "0a0a0a0a.th")
    (folder / "tiny.yaml").write_text("models: ['0a0a0a0a']\n")
    return folder


def write_tiny_pyannote(folder: Path, seed: int = 0) -> Path:
    """A diarization pipeline as pyannote/speaker-diarization-community-1 is laid out: segmentation, embedding, plda."""
    import os

    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import numpy as np
        import torch
        from pyannote.audio.core.task import Problem, Resolution, Specifications
        from pyannote.audio.models.embedding import XVectorSincNet
        from pyannote.audio.models.segmentation import PyanNet

        torch.manual_seed(seed)
        heard = Specifications(
            problem=Problem.MONO_LABEL_CLASSIFICATION,
            resolution=Resolution.FRAME,
            duration=5.0,
            classes=["a", "b", "c"],
            powerset_max_classes=2,
            permutation_invariant=True,
        )
        hears = PyanNet(lstm={"hidden_size": 8, "num_layers": 1}, linear={"hidden_size": 8, "num_layers": 1})
        knows = XVectorSincNet(dimension=32)
        known = Specifications(problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=2.0)
        for name, model, specifications in (("segmentation", hears, heard), ("embedding", knows, known)):
            model.specifications = specifications
            model.setup()
            _save_lightning(model, folder / name / "pytorch_model.bin")
    draw = np.random.default_rng(seed)
    (folder / "plda").mkdir(parents=True, exist_ok=True)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=np.zeros(32), mean2=np.zeros(16), lda=draw.normal(size=(32, 16)))
    np.savez(folder / "plda" / "plda.npz", mu=np.zeros(16), tr=np.eye(16), psi=np.linspace(2.0, 1.0, 16))
    (folder / "config.yaml").write_text(
        "version: 4.0.0\n"
        "pipeline:\n"
        "  name: pyannote.audio.pipelines.SpeakerDiarization\n"
        "  params:\n"
        "    clustering: VBxClustering\n"
        "    segmentation: $model/segmentation\n"
        "    embedding: $model/embedding\n"
        "    plda: $model/plda\n"
        "    embedding_exclude_overlap: true\n"
        "params:\n"
        "  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}\n"
        "  segmentation: {min_duration_off: 0.0}\n"
    )
    return folder


def _save_lightning(model: Any, path: Path) -> None:
    import pytorch_lightning
    import torch

    checkpoint: dict[str, Any] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": pytorch_lightning.__version__,
    }
    model.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)
