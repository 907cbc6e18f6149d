"""Counters that several threads grow and any thread may read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class Tally:
    """Counts by name; `snapshot` is a copy, so that nobody iterates over what grows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to the counts of these names."""
        with self._lock:
            self._counts.update(counts)

    def snapshot(self) -> Counter[str]:
        """Return what was counted so far."""
        with self._lock:
            return self._counts.copy()
