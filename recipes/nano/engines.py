"""Speech from the installed engines: a voice and a text in, a mono 24 kHz float waveform out."""

import io
import math
import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr

from recipes.nano.voices import FESTIVAL_F0_HZ, FLITE_F0_HZ, Voice

SAMPLE_RATE_HZ = 24_000
ENGINE_TIMEOUT_S = 120
_ESPEAK_WORDS_PER_MIN = 165
_FESTIVAL_STRETCH = 1.1

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


def speak(lines: Sequence[tuple[Voice, str]], scratch: Path) -> list[Samples | None]:
    """Each line in its voice, in order; None where the engine gave nothing. `scratch` is a folder for temporary files."""
    waveforms: list[Samples | None] = [None] * len(lines)
    festival = [n for n, (voice, _) in enumerate(lines) if voice.engine == "festival"]
    for n, spoken in zip(festival, _festival([lines[n] for n in festival], scratch), strict=True):
        waveforms[n] = spoken
    for n, (voice, text) in enumerate(lines):
        if voice.engine == "flite":
            waveforms[n] = _flite(voice, text, scratch / "flite.wav")
        elif voice.engine == "espeak":
            waveforms[n] = _espeak(voice, text)
        elif voice.engine == "rhvoice":
            waveforms[n] = _rhvoice(voice, text, scratch / "rhvoice.wav")
        elif voice.engine == "pico":
            waveforms[n] = _pico(voice, text, scratch / "pico.wav")
    return waveforms


def _flite(voice: Voice, text: str, path: Path) -> Samples | None:
    path.unlink(missing_ok=True)
    settings = {"duration_stretch": voice.resample / voice.rate}
    if voice.pitch != 1.0:
        settings["int_f0_target_mean"] = FLITE_F0_HZ[voice.bank] * voice.pitch
    options = [part for name, value in settings.items() for part in ("--setf", f"{name}={value:.4f}")]
    _call(["flite", "-voice", voice.bank, *options, "-t", text, "-o", str(path)])
    return _resampled(path.read_bytes(), voice) if path.exists() else None


def _espeak(voice: Voice, text: str) -> Samples | None:
    words_per_min = round(_ESPEAK_WORDS_PER_MIN * voice.rate / voice.resample)
    pitch = min(99, max(0, round(50 + 50 * math.log2(voice.pitch))))  # espeak's scale: an octave is 50 steps
    settings = ["-s", str(words_per_min), "-p", str(pitch), "-a", "60"]
    return _resampled(_call(["espeak-ng", "-v", f"{voice.accent}+{voice.bank}", *settings, "--stdout", text]), voice)


def _rhvoice(voice: Voice, text: str, path: Path) -> Samples | None:
    path.unlink(missing_ok=True)
    asked = path.with_suffix(".txt")
    asked.write_text(text + "\n")
    rate_percent, pitch_percent = round(100 * voice.rate / voice.resample), round(100 * voice.pitch)
    settings = ["-r", str(rate_percent), "-t", str(pitch_percent), "-i", str(asked), "-o", str(path)]
    _call(["RHVoice-test", "-p", voice.bank, *settings])
    return _resampled(path.read_bytes(), voice) if path.exists() else None


def _pico(voice: Voice, text: str, path: Path) -> Samples | None:
    path.unlink(missing_ok=True)
    speed, pitch = round(100 * voice.rate / voice.resample), round(100 * voice.pitch)
    marked = f'<speed level="{speed}"><pitch level="{pitch}">{text}</pitch></speed>'
    _call(["pico2wave", "-l", voice.bank, "-w", str(path), marked])
    return _resampled(path.read_bytes(), voice) if path.exists() else None


def _festival(lines: Sequence[tuple[Voice, str]], scratch: Path) -> list[Samples | None]:
    if not lines:
        return []
    paths = [scratch / f"festival-{n}.wav" for n in range(len(lines))]
    for path in paths:
        path.unlink(missing_ok=True)
    script = scratch / "festival.scm"
    script.write_text("\n".join(_festival_line(voice, text, path) for (voice, text), path in zip(lines, paths, strict=True)))
    _call(["festival", "-b", str(script)])
    voices = [voice for voice, _ in lines]
    return [_resampled(path.read_bytes(), voice) if path.exists() else None for voice, path in zip(voices, paths, strict=True)]


def _festival_line(voice: Voice, text: str, path: Path) -> str:
    stretch = voice.resample / voice.rate
    mean_hz = FESTIVAL_F0_HZ[voice.bank] * voice.pitch
    if voice.bank.endswith("hts"):
        setting = f'(set! hts_engine_params (cons \'("-r" {1 / stretch:.4f}) hts_engine_params))'
    else:
        setting = (
            f"(Parameter.set 'Duration_Stretch {_FESTIVAL_STRETCH * stretch:.4f})"
            f"(set! int_lr_params '((target_f0_mean {mean_hz:.1f}) (target_f0_std {mean_hz * 0.13:.1f})"
            " (model_f0_mean 170) (model_f0_std 34)))"
        )
    return f'(voice_{voice.bank}){setting}(set! u (utt.synth (Utterance Text "{text}")))(utt.save.wave u "{path}" \'riff)'


def _call(command: Sequence[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=False, timeout=ENGINE_TIMEOUT_S).stdout


def _resampled(wav: bytes, voice: Voice) -> Samples | None:
    """The samples at 24 kHz, played faster by the voice's resample factor."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            rate_hz = file.getframerate()
            samples = np.frombuffer(file.readframes(1 << 28), np.int16).astype(np.float32) / 32768
    except (wave.Error, EOFError):
        return None
    if samples.size == 0:
        return None
    return soxr.resample(samples, rate_hz * voice.resample, SAMPLE_RATE_HZ)
