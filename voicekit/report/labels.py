"""How the metrics of an evaluation are called and read on the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voicekit.records import Metric


@dataclass(frozen=True)
class Label:
    """`better` says which way is good: "higher", "lower", "1" or "" for a yardstick."""

    title: str
    meaning: str
    better: str = ""
    percent: bool = False


GROUPS: dict[str, tuple[str, ...]] = {
    "Sound of the finished speech": ("speaker_cosine", "base_speaker_cosine", "copy_cosine", "self_cosine"),
    "Answers": ("retention", "voice_accuracy", "base_accuracy", "text_kl_nats"),
    "Intelligibility": ("wer", "cer", "base_wer", "base_cer", "copy_wer", "copy_cer", "recording_wer", "recording_cer"),
    "How the chat model speaks": ("in_voice", "token_js", "speech_rate_ratio"),
    "Speed": ("real_time_factor",),
}

LABELS: dict[str, Label] = {
    "speaker_cosine": Label("Likeness, voice", "Cosine of the replies to the speaker of the recordings.", "higher"),
    "base_speaker_cosine": Label("Likeness, base", "The same for the base with its own voice: where it started."),
    "copy_cosine": Label("Likeness, vocoder copy", "The recordings through the vocoder: the best this base could sound."),
    "self_cosine": Label("Likeness, recordings", "Each recording to the speaker's other recordings."),
    "retention": Label("Retention", "Right answers of the voice / of the base, on the same questions.", "higher"),
    "voice_accuracy": Label("Right answers, voice", "Share of questions answered word for word.", "higher", True),
    "base_accuracy": Label("Right answers, base", "The same for the base under its default speaker.", "", True),
    "text_kl_nats": Label("Drift of the text", "KL divergence from the base in nats per token of the right answer.", "lower"),
    "wer": Label("Word errors, voice", "What a recogniser that knows none of the sentences mishears.", "lower", True),
    "cer": Label("Character errors, voice", "The same, letter by letter.", "lower", True),
    "base_wer": Label("Word errors, base", "The same for the base's replies.", "", True),
    "base_cer": Label("Character errors, base", "The same, letter by letter.", "", True),
    "copy_wer": Label("Word errors, vocoder copy", "The recordings through the vocoder, against the script.", "", True),
    "copy_cer": Label("Character errors, vocoder copy", "The same, letter by letter.", "", True),
    "recording_wer": Label("Word errors, recordings", "What the recogniser mishears of the recordings.", "", True),
    "recording_cer": Label("Character errors, recordings", "The same, letter by letter.", "", True),
    "in_voice": Label(
        "In voice", "Replies whose pitch lies within 10 % of the speaker's, by the speech tokens alone.", "higher", True
    ),
    "token_js": Label("Token divergence", "Speech tokens of replies and recordings: 0 equal, 0.69 disjoint (nats).", "lower"),
    "speech_rate_ratio": Label("Speaking rate", "Letters per second of voiced speech, replies / recordings.", "1"),
    "real_time_factor": Label("Speed", "Seconds of speech made per second of work; above 1 keeps up.", "higher"),
}


def shown(name: str, value: float) -> str:
    """A value as it is written on the page."""
    if not math.isfinite(value):
        return "–"
    return f"{100 * value:.0f} %" if LABELS[name].percent else f"{value:.2f}"


def interval(name: str, metric: Metric) -> str:
    """The 95 % interval as it is written on the page; "" if there is none."""
    percent = LABELS[name].percent
    ends = metric.shown_interval(0, 100.0) if percent else metric.shown_interval(2)
    return f"{ends[0]} to {ends[1]}{' %' if percent else ''}" if ends else ""
