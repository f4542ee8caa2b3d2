# pyright: standard
"""The pictures of the report, one function each, made with matplotlib's object interface (no global state, no display)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voicekit.records import EvaluationRows, FloatArray, HeardSpeech, Metric, Waveform, Word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCENT, BASE, INK, FAINT, GRID = "#1f6feb", "#a8b0ba", "#24292f", "#6e7781", "#e7eaee"
_TOPICS = 9
_FFT, _HOP = 1024, 200
_TOP_HZ = 8_000
_DYNAMIC_DB = 70
_LONGEST_S = 4.0
_PITCH_EVERY_S = 0.01
_CLIP_WIDTH_IN, _LETTER_IN, _WORD_LINES = 7.8, 0.072, 3


def likeness(metrics: Mapping[str, Metric]) -> Figure:
    """Cosine to the speaker: base, voice, and the two yardsticks above."""
    names = {
        "base_speaker_cosine": "Un-tuned base",
        "speaker_cosine": "This voice",
        "copy_cosine": "Vocoder copy of\nthe recordings",
        "self_cosine": "Recordings among\nthemselves",
    }
    figure, axes = _figure(5.6, 2.9)
    known = [(label, metrics[name], name) for name, label in names.items() if math.isfinite(metrics[name].value)]
    for i, (_, metric, name) in enumerate(reversed(known)):
        voice = name == "speaker_cosine"
        axes.barh(i, metric.value, height=0.56, color=ACCENT if voice else BASE if name.startswith("base") else "#d5dae0")
        _whisker(axes, metric, i)
        axes.text(
            max(metric.value, _high(metric)) + 0.012,
            i,
            f"{metric.value:.2f}",
            va="center",
            color=INK,
            weight="bold" if voice else "normal",
        )
    axes.set_yticks(range(len(known)), [label for label, _, _ in reversed(known)])
    axes.set_xlim(0, 1.08)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.grid(color=GRID)
    axes.set_xlabel("cosine similarity to the speaker")
    return figure


def answers(rows: EvaluationRows) -> Figure:
    """Share of right answers by topic, base and voice."""
    domains = Counter(row.question.domain for row in rows.replies if row.question.domain)
    topics = [name for name, _ in domains.most_common(_TOPICS)]
    groups = {"all questions": list(rows.replies), **{t: [r for r in rows.replies if r.question.domain == t] for t in topics}}
    figure, axes = _figure(5.6, max(2.9, 0.6 + 0.29 * len(groups)))
    for i, group in enumerate(reversed(groups.values())):
        if not group:
            continue
        base, voice = (100 * float(np.mean(values)) for values in ([r.base_right for r in group], [r.voice_right for r in group]))
        axes.plot([base, voice], [i, i], color=GRID, lw=3, zorder=1, solid_capstyle="round")
        axes.scatter(base, i, s=92, color=BASE, zorder=2, label="un-tuned base" if i == 0 else None)
        axes.scatter(voice, i, s=46, color=ACCENT, zorder=3, label="this voice" if i == 0 else None)
    labels = [f"{name} ({len(group)})" for name, group in groups.items()]
    axes.set_yticks(range(len(groups)), list(reversed(labels)))
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(-3, 103)
    axes.xaxis.grid(color=GRID)
    axes.set_xlabel("right answers, %")
    _legend(axes)
    return figure


def pitch(rows: EvaluationRows) -> Figure:
    """F0 of recordings, voice and base, all from tokens decoded with the neutral prompt."""
    sides: list[tuple[str, list[HeardSpeech], str]] = [
        ("recordings", [clip.copy for clip in rows.clips], INK),
        ("un-tuned base", [r.base for r in rows.replies if r.base is not None], BASE),
        ("this voice", [r.voice for r in rows.replies if r.voice is not None], ACCENT),
    ]
    figure, axes = _figure(5.6, 2.9)
    grid = np.linspace(math.log(60), math.log(500), 200)
    if math.isfinite(rows.speaker_f0_hz):
        axes.axvspan(0.9 * rows.speaker_f0_hz, 1.1 * rows.speaker_f0_hz, color="#eef2f6", lw=0)
    for label, spoken, colour in sides:
        voiced = np.concatenate([np.zeros(0, np.float32), *[s.pitch_hz[s.pitch_hz > 0] for s in spoken]])
        if len(voiced) < 5:
            continue
        density = np.exp(-0.5 * ((grid[:, None] - np.log(voiced[:: max(1, len(voiced) // 3000)])[None]) / 0.045) ** 2).mean(
            axis=1
        )
        axes.plot(np.exp(grid), density / density.max(), color=colour, lw=2 if colour == ACCENT else 1.6, label=label)
        if colour == ACCENT:
            axes.fill_between(np.exp(grid), density / density.max(), color=ACCENT, alpha=0.12, lw=0)
    axes.set_xscale("log")
    axes.set_xticks([60, 80, 100, 150, 200, 300, 500], ["60", "80", "100", "150", "200", "300", "500"])
    axes.minorticks_off()
    axes.set_xlim(60, 500)
    axes.set_ylim(0, 1.08)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("pitch, Hz (shaded: within 10 % of the speaker's)")
    _legend(axes)
    return figure


def pace(rows: EvaluationRows) -> Figure:
    """Letters per second of voiced speech, one point an utterance: recordings, base, voice."""
    sides: list[tuple[str, list[tuple[str, HeardSpeech]], str]] = [
        ("this voice", [(r.voice_text, r.voice) for r in rows.replies if r.voice is not None], ACCENT),
        ("un-tuned base", [(r.base_text, r.base) for r in rows.replies if r.base is not None], BASE),
        ("recordings", [(clip.text, clip.copy) for clip in rows.clips], INK),
    ]
    figure, axes = _figure(5.6, 2.2)
    for row, (_, spoken, colour) in enumerate(sides):
        rates = [rate for said, speech in spoken if (rate := _letters_per_s(said, speech)) > 0]
        if not rates:
            continue
        # Points of one side lie beside each other, so that many look like many.
        spread = row + 0.28 * np.sin(2.4 * np.arange(len(rates)))
        axes.scatter(rates, spread, s=16, color=colour, alpha=0.45, lw=0)
        middle = float(np.median(rates))
        axes.plot([middle, middle], [row - 0.36, row + 0.36], color=colour, lw=2.4)
    axes.set_yticks(range(len(sides)), [label for label, _, _ in sides])
    axes.set_ylim(-0.6, len(sides) - 0.4)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.grid(color=GRID)
    axes.set_xlabel("letters per second of voiced speech (bars: medians)")
    return figure


def _letters_per_s(said: str, speech: HeardSpeech) -> float:
    voiced_s = float((speech.pitch_hz > 0).sum()) * _PITCH_EVERY_S
    return sum(c.isalpha() for c in said) / voiced_s if voiced_s > 0 else 0.0


def loss(losses: Sequence[tuple[int, float]]) -> Figure:
    """The training loss, every step and its running mean."""
    figure, axes = _figure(5.6, 2.9)
    steps, values = np.array([s for s, _ in losses], float), np.array([v for _, v in losses], float)
    width = max(1, len(values) // 15)
    axes.plot(steps, values, color=BASE, lw=1)
    if len(values) > width:
        smooth = np.convolve(values, np.ones(width) / width, "valid")
        axes.plot(steps[width // 2 :][: len(smooth)], smooth, color=ACCENT, lw=2.2)
    axes.yaxis.grid(color=GRID)
    axes.set_xlabel("training step")
    axes.set_ylabel("nats per speech token")
    return figure


def spectrograms(left: tuple[str, Waveform], right: tuple[str, Waveform]) -> Figure:
    """Two waveforms side by side on one time scale, at most their first four seconds."""
    pictures = [_spectrogram_db(wave) for _, wave in (left, right)]
    longest_s = min(max(wave.duration_s for _, wave in (left, right)), _LONGEST_S)
    figure, both = _figure(11.6, 2.9, columns=2)
    for axes, (title, wave), picture in zip(both, (left, right), pictures, strict=True):
        if picture.size:
            top = float(picture.max())
            box = (0, wave.duration_s, 0, _TOP_HZ / 1000)
            axes.imshow(picture, origin="lower", aspect="auto", extent=box, cmap="Blues", vmin=top - _DYNAMIC_DB, vmax=top)
        axes.set_title(title, loc="left", fontsize=9, color=FAINT)
        axes.set_xlim(0, longest_s)
        axes.set_ylim(0, _TOP_HZ / 1000)
        axes.set_xlabel("seconds")
    both[0].set_ylabel("kHz")
    return figure


def clip(wave: Waveform, words: Sequence[Word]) -> Figure:
    """Waveform and spectrogram of one clip on one time scale, each word under the place where it is spoken."""
    figure, both = _figure(_CLIP_WIDTH_IN, 3.0, rows=2)
    samples, rate_hz = wave.mono(), wave.sample_rate_hz
    step = max(1, len(samples) // 4000)
    peaks = np.abs(samples[: len(samples) // step * step].reshape(-1, step)).max(axis=1)
    at_s = np.arange(len(peaks)) * step / rate_hz
    both[0].fill_between(at_s, -peaks, peaks, color=ACCENT, lw=0)
    both[0].set_ylim(-1.05 * float(peaks.max(initial=0.01)), 1.05 * float(peaks.max(initial=0.01)))
    both[0].set_yticks([])
    both[0].spines["left"].set_visible(False)
    picture = _spectrogram_db(wave)
    if picture.size:
        top = float(picture.max())
        box = (0, wave.duration_s, 0, _TOP_HZ / 1000)
        both[1].imshow(picture, origin="lower", aspect="auto", extent=box, cmap="Blues", vmin=top - _DYNAMIC_DB, vmax=top)
    both[1].set_ylabel("kHz")
    for axes in both:
        axes.set_xlim(0, wave.duration_s)
        for word in words:
            axes.axvline(word.start_s, color=BASE, lw=0.6)
    both[0].set_xticks([])
    middles_s = [(w.start_s + w.end_s) / 2 for w in words]
    lines = _lines(words, middles_s, wave.duration_s)
    both[1].set_xticks(middles_s, ["\n" * line + w.text for w, line in zip(words, lines, strict=True)])
    both[1].tick_params(axis="x", length=0, colors=INK, labelsize=9)
    return figure


def _lines(words: Sequence[Word], middles_s: Sequence[float], duration_s: float) -> list[int]:
    """In which line under the picture each word has room: the first in which it touches no word before it."""
    ends_in = [0.0] * _WORD_LINES
    lines: list[int] = []
    for word, middle_s in zip(words, middles_s, strict=True):
        middle_in, half_in = _CLIP_WIDTH_IN * middle_s / max(duration_s, 1e-9), _LETTER_IN * (len(word.text) + 1) / 2
        free = [k for k, end_in in enumerate(ends_in) if middle_in - half_in >= end_in]
        line = free[0] if free else ends_in.index(min(ends_in))
        ends_in[line] = middle_in + half_in
        lines.append(line)
    return lines


def _spectrogram_db(wave: Waveform) -> FloatArray:
    """float32 [bins up to 8 kHz, frames] in dB; empty for less than one window."""
    samples, rate_hz = wave.mono(), wave.sample_rate_hz
    if len(samples) < _FFT:
        return np.zeros((0, 0), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP] * np.hanning(_FFT)
    bins = min(_FFT // 2, _TOP_HZ * _FFT // rate_hz)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, :bins]) ** 2
    return (10 * np.log10(power.T + 1e-8)).astype(np.float32)


def _figure(width_in: float, height_in: float, columns: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "font.size": 9,
        "axes.edgecolor": "#c3cad3",
        "axes.labelcolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": FAINT,
        "ytick.color": INK,
    }
    with rc_context(style):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns)


def _legend(axes: Axes) -> None:
    """Above the plot, in one line; nothing if nothing was drawn."""
    if not axes.get_legend_handles_labels()[1]:
        return
    look: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "handlelength": 1.2, "handletextpad": 0.5, "columnspacing": 1.2}
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, **look)


def _whisker(axes: Axes, metric: Metric, y: float) -> None:
    if math.isfinite(metric.low) and math.isfinite(metric.high):
        axes.plot([metric.low, metric.high], [y, y], color=INK, lw=1.4, solid_capstyle="butt")


def _high(metric: Metric) -> float:
    return metric.high if math.isfinite(metric.high) else metric.value
