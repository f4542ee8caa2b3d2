"""What libraries would tell their makers, turned off. They look at the environment when they are imported, or when they open a
model, whoever imports them first: `voicekit/__init__.py` calls `off` before anything else of the package can import one."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager

_OFF = {
    "DO_NOT_TRACK": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime, also as faster-whisper imports it: a lasting device id, events to Microsoft
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYANNOTE_METRICS_ENABLED": "0",  # pyannote.audio: every model that is opened or used
    "GRADIO_ANALYTICS_ENABLED": "False",
    "WANDB_ERROR_REPORTING": "false",
}


def off() -> None:
    """Whatever the environment said before."""
    os.environ.update(_OFF)


@contextmanager
def quiet_import() -> Generator[None, None, None]:
    """For what imports urllib3, as pyannote.audio does: that opens a socket to find out whether there is IPv6."""
    off()
    known, socket.has_ipv6 = socket.has_ipv6, False
    try:
        yield
    finally:
        socket.has_ipv6 = known
