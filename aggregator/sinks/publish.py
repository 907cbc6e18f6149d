"""Numbers the changes of the corpus and delivers them to the sinks, in one process at a time.

Knows no format and no SQL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aggregator.ports.protocols import Sink
from aggregator.ports.store import Store

logger = logging.getLogger(__name__)

_BATCH = 200  # changes per delivery; a crash repeats no more than these


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The result of `publish`. `delivered` counts a change once for each sink that got it.

    `held` False: another process was publishing during the whole `wait`, so nothing was done.
    """

    held: bool
    numbered: int = 0
    delivered: int = 0


def publish(
    store: Store,
    sinks: Sequence[Sink],
    *,
    wait: timedelta = timedelta(0),
    stopping: Callable[[], bool] = lambda: False,
) -> Published:
    """Number the new changes, and deliver to each sink the changes that it lacks.

    The store notes a delivery only when the sink's files are on the disk. So a crash repeats deliveries and skips none.
    `stopping` may end the work between two batches; the next call continues it.

    Raises:
        OSError: a file of a sink could not be written. The next call delivers the same batch again.
    """
    with store.publishing(wait) as held:
        if not held:
            return Published(held=False)
        numbered = store.number_changes()
        delivered = sum(_bring_up_to_date(store, sink, stopping) for sink in sinks)
    if numbered or delivered:
        logger.info("published", extra={"numbered": numbered, "delivered": delivered})
    return Published(held=True, numbered=numbered, delivered=delivered)


def _bring_up_to_date(store: Store, sink: Sink, stopping: Callable[[], bool]) -> int:
    cursor = store.delivered(sink.name, sink.folder)
    count = 0
    while not stopping() and (changes := store.changes_after(cursor, _BATCH)):
        sink.deliver(changes)
        cursor = changes[-1].seq
        store.set_delivered(sink.name, sink.folder, cursor)
        count += len(changes)
    return count
