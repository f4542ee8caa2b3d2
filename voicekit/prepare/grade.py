"""How good a clip is, in numbers, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicekit.audio import frame_powers, loudness_lufs
from voicekit.channels import counted_levels, piled_up
from voicekit.prepare import acoustics
from voicekit.records import FloatArray, Grades, Transcript, Verdict, Waveform
from voicekit.specs import PrepareSpec
from voicekit.timebase import seconds_to_samples

Spans = Sequence[tuple[float, float]]

MAX_SNR_DB = 60.0
_FRAME_S = 0.02
_GUARD_S = 0.05
_MIN_PAUSE_S = 0.2
_FLOOR_POWER = 1e-9
_COARSE = 1.5 / 2048
_PILED_UP = 3.0
_FLAT_RUN = 3
_QUIETEST = 0.05
_SHOWN_WORDS = 3
_AS_LOUD_AS_SPEECH_DB = 3.0
_MEASURED_S = 60.0  # of echo and bandwidth: a stretch without a pause may be an hour


def measure(
    samples: FloatArray,
    sample_rate_hz: int,
    spans: Spans,
    noise_power: float,
    num_words: float,
    match: float,
    overlap_ratio: float = 0.0,
) -> Grades:
    """Grades of a clip float32 [T] before any cleaning; `spans` are its stretches of speech, in seconds from its start."""
    speech_s = sum(b - a for a, b in spans)
    start = samples[: seconds_to_samples(_MEASURED_S, sample_rate_hz)]
    levels = levels_of(samples, sample_rate_hz)
    echo_db = acoustics.srmr_db(start, sample_rate_hz)
    return Grades(
        snr_db=round(snr_db(levels, spans, noise_power), 2),
        loudness_lufs=round(loudness_lufs(Waveform(samples[None], sample_rate_hz)), 2),
        clipped_ratio=round(clipped_ratio(samples), 5),
        speaking_rate_wps=round(num_words / speech_s, 3) if speech_s > 0 else 0.0,
        script_match=round(match, 4),
        bandwidth_hz=round(acoustics.bandwidth_hz(start, sample_rate_hz, spans), 1),
        srmr_db=None if echo_db is None else round(echo_db, 2),
        overlap_ratio=round(overlap_ratio, 4),
    )


@dataclass(frozen=True, eq=False)
class Levels:
    """Mean power of each frame of about 20 ms: float32 [N]."""

    powers: FloatArray
    frame_s: float


def frame_samples(sample_rate_hz: int) -> int:
    """Of the frames of Levels."""
    return seconds_to_samples(_FRAME_S, sample_rate_hz)


def levels_of(samples: FloatArray, sample_rate_hz: int) -> Levels:
    """Of float32 [T]."""
    size = frame_samples(sample_rate_hz)
    return Levels(frame_powers(samples, size), size / sample_rate_hz)


def noise_power(levels: Levels, spans: Spans) -> float:
    """Mean power between stretches of speech (median of frames, so that a cough does not count); if there is hardly a pause,
    the power of the quietest frames."""
    powers, (is_speech, near_speech) = levels.powers, _marked(levels, spans)
    pauses = powers[~is_speech & ~near_speech]
    if len(pauses) * levels.frame_s >= _MIN_PAUSE_S:
        return float(np.median(pauses))
    return float(np.quantile(powers, _QUIETEST)) if len(powers) else 0.0


def snr_db(levels: Levels, spans: Spans, noise: float) -> float:
    """Power of speech without the noise in it, against the noise; at most MAX_SNR_DB."""
    is_speech, _ = _marked(levels, spans)
    if not is_speech.any():
        return 0.0
    noise = max(noise, _FLOOR_POWER)
    speech = max(float(levels.powers[is_speech].mean()) - noise, _FLOOR_POWER)
    return float(np.clip(10.0 * np.log10(speech / noise), -MAX_SNR_DB, MAX_SNR_DB))


def clipped_ratio(samples: FloatArray) -> float:
    """Share of samples that were cut off: in flat tops (three or more neighbours at full scale, or at the peak of their own
    side), or piled up around one level where a codec has smoothed the flat tops (voicekit.channels).

    Of sound in coarse steps (8 bits) every crest is flat: there the top step must hold far more samples than the one below it,
    where what was cut off would otherwise lie.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 0.01:
        return 0.0
    step = _coarse_step(samples)
    at_top = _at_coarse_top(samples, step) if step else _at_top(samples) | _at_top(-samples)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at_top, [False]])))
    runs = edges[1::2] - edges[::2]
    flat = float(runs[runs >= _FLAT_RUN].sum() / len(samples))
    smoothed = 0.0 if step else sum(piled_up(side, len(samples)) for side in counted_levels(samples / np.float32(peak)))
    return max(flat, smoothed)


def _at_top(samples: FloatArray) -> NDArray[np.bool_]:
    """Samples at full scale, or at the highest positive level."""
    peak = float(samples.max(initial=0.0))
    return samples >= min(peak - 1.5 / 32768, 0.999) if peak >= 0.01 else np.zeros(len(samples), bool)


def _coarse_step(samples: FloatArray) -> float:
    """The step in which samples near the peak are quantised; 0 where it is that of 12 bits or finer."""
    crest = samples if samples.max() >= -samples.min() else -samples
    values = np.unique(np.round(crest[crest > 0.5 * crest.max()].astype(np.float64), 6))
    step = float(np.diff(values).min()) if len(values) > 1 else 0.0
    return step if step > _COARSE else 0.0


def _at_coarse_top(samples: FloatArray, step: float) -> NDArray[np.bool_]:
    """Samples of the highest step of either side, if these are cut off there; a side that stays below is whole."""
    at_top, below = np.zeros(len(samples), bool), 0
    peak = float(np.abs(samples).max())
    for crest in (samples, -samples):
        highest = float(crest.max())
        if highest > peak - 1.5 * step:
            top = crest > highest - step / 2
            below += int((crest > highest - 1.5 * step).sum() - top.sum())
            at_top |= top
    return at_top if at_top.sum() > _PILED_UP * below else np.zeros(len(samples), bool)


def apart(value: float, limit: float | None, digits: int) -> str:
    """A number with so many decimals, or as many more as keep it from looking like the limit that it misses."""
    more = next((d for d in range(digits, digits + 4) if limit is None or float(f"{value:.{d}f}") != limit), digits)
    return f"{value:.{more}f}"


def judge(
    grades: Grades, duration_s: float, spec: PrepareSpec, aligned: bool, said: Transcript | None = None
) -> tuple[Verdict, str]:
    """Verdict and, for a rejected clip, the first reason in plain words; `said` names the words that differ."""
    reason = next(_faults(grades, duration_s, spec, aligned, said), "")
    return (Verdict.REJECTED if reason else Verdict.ACCEPTED), reason


def _faults(g: Grades, duration_s: float, spec: PrepareSpec, aligned: bool, said: Transcript | None) -> Iterator[str]:
    """Everything that is wrong, in the order in which it is named."""
    if duration_s < spec.min_clip_s:
        yield f"too short: {apart(duration_s, spec.min_clip_s, 1)} s of at least {spec.min_clip_s:g} s"
    if duration_s > spec.max_clip_s:
        yield f"too long: {apart(duration_s, spec.max_clip_s, 1)} s of at most {spec.max_clip_s:g} s, and no pause to cut at"
    yield from _sound_faults(g, spec)
    differing = _in_words(said)
    if not aligned:
        yield f"script does not match: its words could not be found in the audio{differing}"
    if g.script_match < spec.min_script_match:
        match = f"{apart(g.script_match, spec.min_script_match, 2)} of at least {spec.min_script_match:g}"
        yield f"script does not match: {match}{differing}"
    if g.heard_match is not None and g.heard_match < spec.min_heard_match:
        least = 100 * spec.min_heard_match
        percent = f"{apart(100 * g.heard_match, least, 0)} % of its words were heard"
        yield f"script does not match: {percent}, at least {least:g} % are needed{differing}"
    if g.speaking_rate_wps > spec.max_speaking_rate_wps:
        pace = apart(g.speaking_rate_wps, spec.max_speaking_rate_wps, 1)
        yield f"too fast: {pace} words a second, at most {spec.max_speaking_rate_wps:g}"


def _sound_faults(g: Grades, spec: PrepareSpec) -> Iterator[str]:
    if g.clipped_ratio > spec.max_clipped_ratio:
        yield f"clipped: {apart(100 * g.clipped_ratio, 100 * spec.max_clipped_ratio, 1)} % of samples"
    echo = g.srmr_db is not None and g.srmr_db < spec.min_srmr_db
    # A hall's tail fills the pauses and counts as noise there; noise sounds like echo only where it is as loud as speech.
    if echo and g.snr_db >= _AS_LOUD_AS_SPEECH_DB:
        yield _echo(g, spec)
    if g.snr_db < spec.min_snr_db:
        yield f"too quiet against noise: {apart(g.snr_db, spec.min_snr_db, 0)} dB"
    if g.overlap_ratio > spec.max_overlap_ratio:
        yield f"two people speak at once: {apart(100 * g.overlap_ratio, 100 * spec.max_overlap_ratio, 0)} % of it"
    if g.bandwidth_hz is not None and g.bandwidth_hz < spec.min_bandwidth_hz:
        least_khz = spec.min_bandwidth_hz / 1000
        reached, needed = f"{apart(g.bandwidth_hz / 1000, least_khz, 1)} kHz", f"{least_khz:g} kHz"
        yield f"dull sound: nothing above {reached}, at least {needed} are needed"
    if echo:
        yield _echo(g, spec)
    if g.predicted_mos is not None and g.predicted_mos < spec.min_predicted_mos:
        guess = apart(g.predicted_mos, spec.min_predicted_mos, 1)
        yield f"sounds bad: predicted MOS {guess} of at least {spec.min_predicted_mos:g}"


def _echo(g: Grades, spec: PrepareSpec) -> str:
    return f"too much echo: {apart(g.srmr_db or 0.0, spec.min_srmr_db, 1)} dB of at least {spec.min_srmr_db:g} dB"


def _in_words(said: Transcript | None) -> str:
    """The first words in which script and what was heard differ, as the end of a reason."""
    if said is None or not said.differences:
        return ""
    pairs = [f"{heard or 'nothing'} for {written or 'nothing'}" for written, heard in said.differences]
    more = ", ..." if len(pairs) > _SHOWN_WORDS else ""
    return f"; heard {', '.join(pairs[:_SHOWN_WORDS])}{more}"


def _marked(levels: Levels, spans: Spans) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each frame: whether it is speech, whether speech is near."""
    middles = (np.arange(len(levels.powers)) + 0.5) * levels.frame_s
    is_speech, near_speech = np.zeros(len(middles), bool), np.zeros(len(middles), bool)
    for start_s, end_s in spans:
        is_speech[slice(*np.searchsorted(middles, [start_s, end_s]))] = True
        near_speech[slice(*np.searchsorted(middles, [start_s - _GUARD_S, end_s + _GUARD_S]))] = True
    return is_speech, near_speech
