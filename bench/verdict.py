"""From the cells of the decoupling comparison to a table, a verdict in plain words, and a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.cells import Cell, of
from voicekit.records import Metric

COLUMNS = {
    "retention": ("retention", 1.0, "{:.2f}"),
    "in_voice": ("in voice, %", 100.0, "{:.0f}"),
    "token_js": ("token divergence", 1.0, "{:.3f}"),
    "text_kl_nats": ("text KL, nats", 1.0, "{:.3f}"),
    "wer": ("WER, %", 100.0, "{:.0f}"),
    "speaker_cosine": ("likeness", 1.0, "{:.2f}"),
}
COLOURS = ("#6e7781", "#b35900", "#8250df", "#1a7f37", "#1f6feb", "#cf222e", "#57606a")


def over_runs(values: Sequence[float]) -> Metric:
    """Mean over runs with Student's 95 % interval; runs without a number are left out."""
    known = [v for v in values if math.isfinite(v)]
    n = len(known)
    if n == 0:
        return Metric(math.nan, math.nan, math.nan, 0)
    mean = float(np.mean(known))
    if n == 1:
        return Metric(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(known, ddof=1) / math.sqrt(n))
    return Metric(mean, mean - half, mean + half, n)


def difference(cells: Sequence[Cell], first: str, second: str, name: str) -> Metric:
    """`first` minus `second`, paired by speaker and seed."""
    theirs = {(c.speaker, c.seed): c.metrics[name].value for c in of(cells, second)}
    pairs = [(c.metrics[name].value, theirs[c.speaker, c.seed]) for c in of(cells, first) if (c.speaker, c.seed) in theirs]
    return over_runs([a - b for a, b in pairs])


def table(cells: Sequence[Cell], titles: Mapping[str, str]) -> str:
    """Markdown: a row a condition, mean over the runs and its interval."""
    lines = ["| condition | runs | " + " | ".join(title for title, _, _ in COLUMNS.values()) + " | training, s |"]
    lines.append("|---" * (len(COLUMNS) + 3) + "|")
    for condition, title in titles.items():
        found = of(cells, condition)
        if not found:
            continue
        values = [_written(over_runs([c.metrics[name].value for c in found]), *COLUMNS[name][1:]) for name in COLUMNS]
        seconds = np.mean([c.train_s for c in found])
        lines.append(f"| {title} | {len(found)} | " + " | ".join(values) + f" | {seconds:.0f} |")
    return "\n".join(lines)


def verdict(cells: Sequence[Cell], masked: str, text: str, untuned: str, ours: str) -> list[str]:
    """The claim, and what was added to it, judged in plain words."""
    kept = difference(cells, masked, text, "retention")
    taken = difference(cells, masked, untuned, "in_voice")
    more_voice, more_wits = difference(cells, ours, masked, "in_voice"), difference(cells, ours, masked, "retention")
    return [
        f"Claim: without the recorded text in the loss the model keeps its answers. **{_decided(kept)}**: masking the text "
        f"changes retention by {_signed(kept)}.",
        f"Claim: it takes the voice all the same. **{_decided(taken)}**: against the un-tuned base, masked training changes the "
        f"share of replies in voice by {_signed(taken)}.",
        f"What was added to masking changes the share in voice by {_signed(more_voice)} ({_direction(more_voice)}) and retention "
        f"by {_signed(more_wits)} ({_direction(more_wits)}).",
    ]


def plot(cells: Sequence[Cell], titles: Mapping[str, str], file: Path) -> None:
    """Voice against wits, and word errors, for every run; large marks are means with their intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    wits, words = figure.subplots(1, 2, width_ratios=(3, 2))
    for i, (condition, title) in enumerate(titles.items()):
        found, colour = of(cells, condition), COLOURS[i % len(COLOURS)]
        voice, kept, errors = ([c.metrics[n].value for c in found] for n in ("in_voice", "retention", "wer"))
        _mark(wits, [100 * v for v in voice], kept, colour, title)
        wer = over_runs([100 * e for e in errors])
        words.scatter([100 * e for e in errors], [-i] * len(errors), s=14, color=colour, alpha=0.45, lw=0)
        words.errorbar(wer.value, -i, xerr=_arms(wer), fmt="o", ms=8, color=colour, lw=1.6)
    wits.axhline(1, color="#c3cad3", lw=1, zorder=0)
    wits.set(xlabel="replies in the speaker's voice, %", ylabel="retention (answers kept)", xlim=(-4, 104))
    wits.legend(frameon=False, fontsize=8.5, loc="lower left")
    words.set_yticks([-i for i in range(len(titles))], list(titles.values()))
    words.set(xlabel="word error rate of the replies, %", xlim=(0, None))
    for axes in (wits, words):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eceff2")
        axes.set_axisbelow(True)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=160)


def _mark(axes: Any, x: Sequence[float], y: Sequence[float], colour: str, title: str) -> None:
    across, up = over_runs(x), over_runs(y)
    axes.scatter(x, y, s=14, color=colour, alpha=0.45, lw=0)
    axes.errorbar(across.value, up.value, xerr=_arms(across), yerr=_arms(up), fmt="o", ms=8, color=colour, lw=1.6, label=title)


def _arms(metric: Metric) -> list[list[float]] | None:
    if not math.isfinite(metric.low):
        return None
    return [[metric.value - metric.low], [metric.high - metric.value]]


def _written(metric: Metric, scale: float, pattern: str) -> str:
    if not math.isfinite(metric.value):
        return "–"
    value = pattern.format(scale * metric.value)
    if not math.isfinite(metric.low):
        return value
    return f"{value} ({pattern.format(scale * metric.low)} to {pattern.format(scale * metric.high)})"


def _signed(metric: Metric) -> str:
    if not math.isfinite(metric.value):
        return "an unknown amount"
    spread = f" ({metric.low:+.2f} to {metric.high:+.2f})" if math.isfinite(metric.low) else ""
    return f"{metric.value:+.2f}{spread}"


def _decided(metric: Metric) -> str:
    """What a claim of an increase comes to."""
    return {"better": "Confirmed", "worse": "Refuted", "undecided": "Undecided"}[_direction(metric)]


def _direction(metric: Metric) -> str:
    if not math.isfinite(metric.low) or metric.low <= 0 <= metric.high:
        return "undecided"
    return "better" if metric.value > 0 else "worse"
