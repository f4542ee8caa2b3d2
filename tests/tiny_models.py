"""Complete model folders of outside libraries with very small random weights: what they say is nonsense, how they run is real."""

from __future__ import annotations

from pathlib import Path


def write_tiny_demucs(folder: Path, seed: int = 0) -> Path:
    """A hybrid transformer demucs as a bag of one, in the layout of the released files."""
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    settings = dict(sources=["drums", "vocals"], channels=8, growth=2, nfft=1024, depth=2, t_layers=1, t_heads=2, segment=2)
    settings |= dict(samplerate=16_000, bottom_channels=16, dconv_depth=1, t_sin_random_shift=0)
    model = HTDemucs(**settings)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    torch.save({"klass": HTDemucs, "args": (), "kwargs": settings, "state": state}, folder / "0a0a0a0a.th")
    (folder / "tiny.yaml").write_text("models: ['0a0a0a0a']\n")
    return folder
