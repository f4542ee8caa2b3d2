"""What a training step measures stands in the catalog while it goes on, for every door."""

import math
from pathlib import Path
from typing import Any, cast

from studio_app.job_view import numbers
from voicekit.api.shown import job as shown
from voicekit.carrying import Live
from voicekit.ports import Catalog, Progress
from voicekit.records import JobState, JobStatus

NOW = "2026-11-01T12:00:00.000+00:00"
RUNNING = JobStatus("a", "anna", "", JobState.RUNNING, "", 0.0, "", (), (), (), None, 0, NOW, NOW)


class Kept:
    """A catalog that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[JobStatus] = []

    def save_job(self, status: JobStatus, attempt: int, states: Any) -> bool:
        self.written.append(status)
        return True


def test_the_numbers_of_the_latest_step_are_written_and_shown(tmp_path: Path) -> None:
    kept = Kept()
    live = Live(
        cast(Catalog, kept), tmp_path, JobStatus("a", "anna", "", JobState.RUNNING, "", 0.0, "", (), (), (), None, 0, NOW, NOW)
    )
    live(
        Progress(
            "chat", 0.1, "learning", {"step": 1, "speech_loss": 3.14159, "kl": 0.02, "tokens_per_s": 1234.56, "loss": math.nan}
        )
    )
    live.save()
    live(Progress("chat", 0.2, "answering"))
    live.save()
    after = kept.written[-1]
    assert dict(after.numbers) == {"step": 1, "speech_loss": 3.142, "kl": 0.02, "tokens_per_s": 1235.0}
    assert after.losses == ((1, 3.1416),)
    assert shown(after)["numbers"]["tokens_per_s"] == 1235.0
    assert "1235 tokens a second" in numbers(after) and "text KL 0.020 nats" in numbers(after)


def test_a_job_that_is_over_shows_no_pace() -> None:
    done = JobStatus(
        "a", "anna", "", JobState.FINISHED, "", 1.0, "", (), (), (), None, 1, NOW, NOW, numbers=(("tokens_per_s", 3.0),)
    )
    assert numbers(done) == ""
