"""The one implementation of the port `Clock`: the machine's clocks. Only the parts that start a process make one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from aggregator.wakeup import PipeEvent


class SystemClock:
    """The machine's clocks. `ahead` is added to the wall clock, for the demo and for tests."""

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self._ahead = ahead
        self._woken = PipeEvent()

    def now(self) -> datetime:
        """Return the wall clock's time in UTC, plus `ahead`."""
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait until the time has passed or `wake` is called."""
        self._woken.wait(seconds)

    def wake(self) -> None:
        """End every present and future sleep at once."""
        self._woken.set()
