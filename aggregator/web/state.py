"""What all routes work with: the store, what the process offers, the state of the installation as of a moment ago."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aggregator.models.ids import FeedId
from aggregator.monitoring.overview import Diagnosis, Overview, overview
from aggregator.ports.store import Store

_FRESH_SECONDS: Final = 15.0  # surveying ten thousand feeds takes a while; nobody reads faster than that


class Lookout:
    """Keeps the overview for a moment; one request at a time makes it anew."""

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: Overview | None = None
        self._seen_at = 0.0

    def look(self) -> Overview:
        """Return the state of the installation, at most 15 seconds old."""
        with self._lock:
            now = self._monotonic()
            if self._seen is None or now - self._seen_at >= _FRESH_SECONDS:
                self._seen, self._seen_at = overview(self._store), now
            return self._seen

    def forget(self) -> None:
        """Look anew the next time: something was changed here."""
        with self._lock:
            self._seen = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the routes work with. `refresh` None: this process makes no feed due; `raw` None: it has no raw pages."""

    store: Store
    ready: Callable[[], bool]
    metrics: Callable[[], bytes]
    refresh: Callable[[FeedId], bool] | None
    raw: Callable[[str], bytes | None] | None = None
    lookout: Lookout = field(repr=False)

    def diagnosis(self, feed_id: int) -> Diagnosis | None:
        """Return a feed with its findings; None: there is no such feed."""
        return next((one for one in self.lookout.look().diagnoses if one.feed.id == feed_id), None)
