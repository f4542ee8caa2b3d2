"""What a bench says while it works."""

from __future__ import annotations

import sys
import time

from voicekit.ports import OnProgress, Progress

EVERY_S = 20.0


def progress(label: str) -> OnProgress:
    """A reporter that rewrites one line on a terminal, and adds a line every EVERY_S to a file."""
    last_s = 0.0

    def report(event: Progress) -> None:
        nonlocal last_s
        line = f"{label}: {event.step} {100 * event.fraction:.0f} %"
        if sys.stderr.isatty():
            print(f"\r\033[K{line if event.fraction < 1 else ''}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - last_s > EVERY_S:
            last_s = time.monotonic()
            print(f"{line} {event.message}".rstrip(), file=sys.stderr, flush=True)

    return report
