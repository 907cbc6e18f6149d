"""The daemon: one process that ticks, visits, extracts, publishes, reloads and stops in order."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from aggregator.app import App, check_room
from aggregator.errors import AggregatorError, ConfigError, StorageError, StoreHeldError

logger = logging.getLogger(__name__)

_TICK = timedelta(seconds=1)
_PUBLISH_EVERY = timedelta(seconds=5)
_HOUSEKEEPING_EVERY = timedelta(minutes=10)
_TICK_ALIVE = timedelta(seconds=30)  # older than this, the tick has stopped
_STUCK = timedelta(minutes=5)  # visits that neither end nor begin for so long are stuck


class Service:
    """`aggregator run`, from `start` to the signal that ends it."""

    def __init__(self, app: App, load: Callable[[], App], notify: Callable[[str], None]) -> None:
        self._app = app
        self._load = load
        self._notify = notify
        self._ended = threading.Event()
        self._reload_wanted = threading.Event()
        self._paused = False
        self._ticked_at = app.clock.monotonic()
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
