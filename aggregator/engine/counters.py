"""Counters that several threads increase and any thread may read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class Counters:
    """Counts by name. Any thread may increase or read them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, counts: Mapping[str, int]) -> None:
        """Add `counts` to the counts of the same names."""
        with self._lock:
            self._counts.update(counts)

    def snapshot(self) -> Counter[str]:
        """Return a copy of all counts."""
        with self._lock:
            return self._counts.copy()
