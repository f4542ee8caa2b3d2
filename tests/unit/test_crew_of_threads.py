"""Several things at once: results in their order, errors where they are asked for, nothing begun after the end."""

import threading
from collections.abc import Callable

import pytest

from voicekit.crew import Crew


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_whoever_is_done_first(workers: int) -> None:
    later_ones_done = [threading.Event() for _ in range(6)]

    def double(number: int) -> int:
        if workers > 1 and number % 2 == 0:
            later_ones_done[number + 1].wait(5)
        later_ones_done[number].set()
        return 2 * number

    with Crew(workers) as crew:
        assert list(crew.each(double, range(6))) == [0, 2, 4, 6, 8, 10]
        assert crew.give(lambda: 7).result() == 7


def test_one_worker_works_in_place_and_only_when_asked() -> None:
    done: list[tuple[int, str]] = []
    with Crew(1) as crew:
        results = crew.each(lambda n: done.append((n, threading.current_thread().name)), [1, 2])
        assert not done
        next(results)
    assert done == [(1, threading.current_thread().name)]


def test_what_has_not_begun_when_something_fails_is_dropped() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def task(number: int) -> Callable[[], None]:
        def work() -> None:
            begun.append(number)
            gate.wait(5)

        return work

    with pytest.raises(ValueError, match="broken"), Crew(2) as crew:
        for number in range(10):
            crew.give(task(number))
        threading.Timer(0.1, gate.set).start()
        raise ValueError("broken")
    assert len(begun) < 10
