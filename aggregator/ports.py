"""The seams: what use cases ask of the outside. Protocols only; implementations live in the adapters."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from aggregator.models import FetchRequest, FetchResult


class Clock(Protocol):
    """Time, passed in so that tests can stand it still."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back, of this process only."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; returns early when the process is asked to stop."""
        ...


class Fetcher(Protocol):
    """One bounded, conditional GET."""

    def fetch(self, request: FetchRequest) -> FetchResult:
        """Return what came of it; ordinary failures are values, nothing is raised."""
        ...
