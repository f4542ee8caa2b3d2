"""Seconds <-> samples <-> frames: the only place that converts.

Rates are integers per second. Rounding is half away from zero, so that a conversion does not depend on parity.
"""

from datetime import UTC, datetime, timedelta

TOKEN_HZ = 25
LATENT_HZ = 100
MODEL_RATE_HZ = 24_000
SAMPLES_PER_TOKEN = MODEL_RATE_HZ // TOKEN_HZ
SAMPLES_PER_LATENT = MODEL_RATE_HZ // LATENT_HZ
LATENTS_PER_TOKEN = LATENT_HZ // TOKEN_HZ


def seconds_to_samples(seconds: float, sample_rate_hz: int) -> int:
    """Nearest sample index of a time; negative times are an error."""
    if seconds < 0:
        raise ValueError(f"negative time: {seconds} s")
    return int(seconds * sample_rate_hz + 0.5)


def samples_to_seconds(num_samples: int, sample_rate_hz: int) -> float:
    return num_samples / sample_rate_hz


def utc(ago_s: float = 0.0) -> str:
    """The time so many seconds ago, ISO 8601 to the millisecond: such texts sort like times."""
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat(timespec="milliseconds")
