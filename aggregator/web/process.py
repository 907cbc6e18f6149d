"""Serves page and API over a store: in the process of `aggregator serve`, or in a child process of a daemon.

The daemon opens the address and starts a child that runs `main`. If the daemon ends, even by a kill, the pipe between
them closes and the child ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aggregator import log
from aggregator.clock import SystemClock
from aggregator.errors import AggregatorError, StorageError
from aggregator.monitoring.daemon_record import read_record
from aggregator.monitoring.metrics import Metrics, StoreMetrics
from aggregator.ports.store import Store
from aggregator.rawstore import FileRawStore
from aggregator.store import open_store
from aggregator.web.application import create_app
from aggregator.web.listening import PageSettings
from aggregator.web.server import RunningServer
from aggregator.web.state import CachedOverview, Site

logger = logging.getLogger("aggregator.service")  # its lines are shown at the default level

NICE: Final = 12  # 6 % of one core beside a poller that uses all cores; 19 would give 1.5 %, too slow to start
_LAST_MOMENT: Final = 5.0  # seconds after which a child that shall end is ended


def start_page(settings: PageSettings, store: Store, sock: socket.socket, until: threading.Event) -> RunningServer:
    """Start a server for page and API over `store` on a listening socket, and return it.

    Once the event `until` is set, /readyz answers 503.
    """
    raw = FileRawStore(Path(settings.raw_folder))
    ready, metrics = _views(settings.daemon, store)
    cached_overview = CachedOverview(store, time.monotonic)
    cached_overview.begin()
    application = create_app(
        Site(
            store=store,
            ready=lambda: not until.is_set() and ready(),
            metrics=metrics,
            raw=raw.get,
            cached_overview=cached_overview,
        ),
        token=settings.token,
        base_url=settings.base_url,
        is_busy=busy_check(settings.daemon, store) if settings.daemon else None,
    )
    return RunningServer(application, sock)


def _views(daemon: str, store: Store) -> tuple[Callable[[], bool], Callable[[], bytes]]:
    """Return two functions: one returns whether the installation is ready, one returns the metrics for Prometheus.

    The installation is ready if the last tick of the daemon named `daemon` is recent. If `daemon` is "", it is always
    ready, and the metrics are those of this process and the store.
    """
    stored = StoreMetrics(store.counts)
    if not daemon:
        of_process = Metrics()
        return lambda: True, lambda: of_process.render() + stored.render()

    def ready() -> bool:
        record = read_record(store, daemon)
        return record is not None and record.ticks(store.now())

    def metrics() -> bytes:
        record = read_record(store, daemon)
        return (b"" if record is None else record.metrics.encode()) + stored.render()

    return ready, metrics


def busy_check(daemon: str, store: Store) -> Callable[[], bool]:
    """Return a function that returns whether the daemon named `daemon` is busy (`DaemonRecord.is_busy`)."""

    def is_busy() -> bool:
        try:
            record = read_record(store, daemon)
        except StorageError:
            return False  # the page says so
        return record is not None and record.is_busy(store.now())

    return is_busy


def main() -> None:
    """Serve page and API as the child of a daemon, until the pipe on stdin closes or SIGTERM comes.

    The last argument is the descriptor of the listening socket. The first line of stdin has the `PageSettings`.
    """
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(NICE)  # of this thread, and so of all that it starts; what is imported is imported by now
    pipe = os.fdopen(0, "rb", buffering=0)
    settings = PageSettings(**json.loads(pipe.readline()))
    until = threading.Event()
    for number in (signal.SIGINT, signal.SIGHUP):  # of a terminal: they are the daemon's
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: until.set())
    threading.Thread(target=_end_with_parent, args=(until,), daemon=True).start()
    log.configure_as(settings.log_style, settings.log_level)
    try:
        store = open_store(settings.store_url, SystemClock(), create=False)
        with socket.socket(fileno=int(sys.argv[-1])) as sock, start_page(settings, store, sock, until):
            until.wait()
        store.close()
    except AggregatorError as error:
        logger.error("no status page", extra={"reason": str(error)})
        os._exit(error.exit_code)
    os._exit(0)  # threads that still read the store need not be waited for


def _end_with_parent(until: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    until.set()
    threading.Timer(_LAST_MOMENT, os._exit, args=(0,)).start()
