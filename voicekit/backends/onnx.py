"""ONNX graphs opened as voicekit runs them: on one thread of the processor, with nothing said about it to anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voicekit.errors import MissingModel

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: Path, reserve: bool = True) -> InferenceSession:
    """The graph in `path`; what is `reserve`d for its values is kept between runs, which is faster if they are all as large."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingModel("onnxruntime is not installed.", "Install it: pip install onnxruntime") from None
    onnxruntime.disable_telemetry_events()  # where it was imported before voicekit (see voicekit.telemetry)
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = reserve
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
