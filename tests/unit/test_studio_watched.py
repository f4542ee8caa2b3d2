"""Slow work of the studio: its progress, and what went wrong, reach the page that asked."""

from collections.abc import Callable

import pytest

from studio_app.watched import watched
from voicekit.errors import InputError, VoicekitError
from voicekit.ports import OnProgress, Progress


def failing(error: Exception) -> Callable[[OnProgress], None]:
    def work(report: OnProgress) -> None:
        report(Progress("prepare", 0.5, "half"))
        raise error

    return work


def test_progress_arrives_in_order_until_the_work_is_done() -> None:
    def work(report: OnProgress) -> None:
        for number in range(3):
            report(Progress("prepare", number / 2))

    assert [event.fraction for event in watched(work, "It failed", "Try again.")] == [0.0, 0.5, 1.0]


def test_an_error_made_for_users_is_told_as_it_is() -> None:
    told = watched(failing(InputError("Nothing is there.", "Bring some.")), "It failed", "Try again.")
    assert next(told).message == "half"
    with pytest.raises(InputError, match=r"Nothing is there\. Bring some\."):
        next(told)


def test_any_other_error_is_told_in_words_and_its_place_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    told = watched(failing(KeyError("clip")), "It failed", "Try again.")
    with pytest.raises(VoicekitError, match=r"It failed: 'clip'\. Try again\."):
        list(told)
    assert "failing" in caplog.text or "KeyError" in caplog.text
