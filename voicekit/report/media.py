# pyright: standard
"""Audio and pictures as data URIs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from voicekit.records import Waveform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MP3_RATES_HZ = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_DPI = 170


def audio_uri(wave: Waveform) -> str:
    """MP3 where the sample rate allows it, else WAV; "" for no audio."""
    import soundfile

    if wave.num_samples == 0:
        return ""
    buffer = io.BytesIO()
    mp3 = wave.sample_rate_hz in _MP3_RATES_HZ
    soundfile.write(buffer, wave.mono().clip(-1, 1), wave.sample_rate_hz, format="MP3" if mp3 else "WAV")
    return _uri("audio/mpeg" if mp3 else "audio/wav", buffer.getvalue())


def picture_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return _uri("image/png", buffer.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
