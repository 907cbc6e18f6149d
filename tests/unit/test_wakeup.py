"""The wait that another thread ends."""

from __future__ import annotations

import threading
import time

from aggregator.wakeup import Bell


def test_a_bell_that_is_not_rung_keeps_its_listener_waiting() -> None:
    started = time.monotonic()
    assert not Bell().wait(0.03)
    assert time.monotonic() - started >= 0.03


def test_a_rung_bell_ends_every_wait_until_it_is_silenced() -> None:
    bell = Bell()
    bell.ring()
    assert bell.wait(60)
    assert bell.wait(60)
    bell.silence()
    assert not bell.wait(0)


def test_another_thread_ends_the_wait() -> None:
    bell = Bell()
    ringer = threading.Thread(target=bell.ring)
    ringer.start()
    assert bell.wait(60)
    ringer.join()


def test_a_bell_is_rung_as_often_as_one_likes() -> None:
    bell = Bell()
    for _ in range(5000):  # more than a socket holds
        bell.ring()
    bell.silence()
    assert not bell.wait(0)
