"""The wait that another thread ends."""

from __future__ import annotations

import threading
import time

from aggregator.wakeup import PipeEvent


def test_an_event_that_is_not_set_lets_a_wait_last() -> None:
    started = time.monotonic()
    assert not PipeEvent().wait(0.03)
    assert time.monotonic() - started >= 0.03


def test_a_set_event_ends_every_wait_until_it_is_cleared() -> None:
    event = PipeEvent()
    event.set()
    assert event.wait(60)
    assert event.wait(60)
    assert event.is_set()
    event.clear()
    assert not event.is_set()


def test_another_thread_ends_the_wait() -> None:
    event = PipeEvent()
    other = threading.Thread(target=event.set)
    other.start()
    assert event.wait()
    other.join()


def test_an_event_may_be_set_any_number_of_times() -> None:
    event = PipeEvent()
    for _ in range(5000):  # more than a pipe holds
        event.set()
    event.clear()
    assert not event.wait(0)
