"""Runs one thread for each output that follows the corpus, so that no output delays another output or a poll."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from aggregator.errors import StorageError
from aggregator.ports.protocols import Clock
from aggregator.ports.store import Store
from aggregator.sinks.outputs.follow import Follower, Output, Waits, note_outputs

logger = logging.getLogger(__name__)

_LOOK_SELDOM: Final = timedelta(seconds=30)  # while the store cannot be used
_JOIN_SECONDS: Final = 1.0  # for all outputs together


class Followers:
    """The threads that deliver changes to the outputs of a daemon."""

    def __init__(self, store: Store, clock: Clock, waits: Waits = Waits()) -> None:  # noqa: B008 # frozen
        self._waits = waits
        self._store = store
        self._clock = clock
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def follow(self, outputs: Sequence[Output]) -> None:
        """Deliver changes to `outputs` from now on, and to no others.

        The earlier threads end after their present batch.
        """
        self._ended.set()
        note_outputs(self._store, outputs)
        ended = self._ended = threading.Event()
        started = [
            threading.Thread(target=self._run, args=(output, ended), name=f"output {output.name}", daemon=True)
            for output in outputs
        ]
        for thread in started:
            thread.start()
        self._threads = [*(thread for thread in self._threads if thread.is_alive()), *started]

    def leave(self) -> None:
        """Tell all threads to end after their present batch. Do not wait for them."""
        self._ended.set()

    def stop(self) -> None:
        """End all threads, and wait for them for a second at most.

        The next process repeats a batch that was not finished.
        """
        self.leave()
        ends_at = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(ends_at - time.monotonic(), 0))

    def _run(self, output: Output, ended: threading.Event) -> None:
        follower = Follower(output, self._store, self._clock, self._waits)
        wait = timedelta(0)
        while not ended.wait(wait.total_seconds()):
            try:
                progress = follower.advance()
            except StorageError as error:
                logger.warning("output waits for the store", extra={"output": output.name, "reason": str(error)})
                wait = _LOOK_SELDOM
                continue
            wait = timedelta(0) if progress.delivered else max(progress.wait or self._waits.look, self._waits.look)


def deliver_all(store: Store, clock: Clock, outputs: Sequence[Output], limit: timedelta) -> dict[str, str]:
    """Deliver all changes to all outputs, each in a thread of its own, within `limit`.

    Return the problem of each output whose delivery failed or did not end in time, by the output's name.
    """
    note_outputs(store, outputs)
    problems: dict[str, str] = {output.name: f"not done after {limit.total_seconds():g} s" for output in outputs}

    def run(output: Output) -> None:
        follower = Follower(output, store, clock)
        while (progress := follower.advance()).delivered:
            pass
        problems[output.name] = progress.problem

    threads = [
        threading.Thread(target=run, args=(output,), name=f"output {output.name}", daemon=True) for output in outputs
    ]
    for thread in threads:
        thread.start()
    ends_at = clock.monotonic() + limit.total_seconds()
    for thread in threads:
        thread.join(max(0.0, ends_at - clock.monotonic()))
    return {name: problem for name, problem in problems.items() if problem}
