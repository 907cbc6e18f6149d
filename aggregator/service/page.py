"""The status page of a running process: it follows `[web] listen` and the token, and is never open once one is set."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from aggregator import web
from aggregator.clock import SystemClock
from aggregator.config.settings import Config, WebSettings
from aggregator.config.wiring import raw_folder
from aggregator.errors import AggregatorError, ConfigError
from aggregator.monitoring.metrics import Metrics
from aggregator.rawstore import FileRawStore
from aggregator.store import SqlStore

logger = logging.getLogger("aggregator.service")  # its lines are shown at the default level


class StatusPage:
    """Status page, API and metrics. `make` returns the application for a token (None: callers need none)."""

    def __init__(self, make: Callable[[str | None], Any]) -> None:  # Any: an ASGI application
        self._make = make
        self._server: web.RunningServer | None = None
        self._applied: tuple[WebSettings, str | None] | None = None
        self._complaint = ""

    @property
    def address(self) -> str:
        """Where to look with a browser; "": nowhere."""
        return "" if self._server is None else web.address_of(self._server)

    def start(self, settings: WebSettings) -> None:
        """Serve as the settings say.

        Raises:
            ConfigError: the token cannot be read.
            PortError: the address is taken.
        """
        token = web.read_token(settings.token_file)
        if settings.address is not None:
            self._server = web.serve(self._make(token), web.listen(*settings.address))
        self._applied = (settings, token)

    def follow(self, settings: WebSettings) -> None:
        """Serve by newer settings; an address that is taken is tried again at the next call, nothing is served then."""
        try:
            if (settings, web.read_token(settings.token_file)) == self._applied:
                return
            self.stop()
            self.start(settings)
        except AggregatorError as error:
            self.stop()
            if str(error) != self._complaint:
                logger.error("no status page; tried again each second", extra={"reason": str(error)})
            self._complaint = str(error)
        else:
            self._complaint = ""
            logger.info("status page", extra={"address": self.address or "off"})

    def stop(self) -> None:
        """End the answers under way, close the address."""
        if self._server is not None:
            self._server.stop()
        self._server = self._applied = None


def serve_alone(config: Config, store: SqlStore, until: threading.Event) -> None:
    """Serve page and API over a store until the event is set.

    Raises:
        ConfigError: `[web] listen` is off, or the token cannot be read.
        PortError: the address is taken.
    """
    if config.web.address is None:
        raise ConfigError('[web] listen: is "", so there is nothing to serve; write "127.0.0.1:8642"')
    metrics = Metrics()
    metrics.watch_store(store.counts)
    raw = FileRawStore(raw_folder(config), SystemClock())
    page = StatusPage(
        lambda token: web.create_app(
            store,
            ready=lambda: not until.is_set(),
            metrics=metrics,
            refresh=web.refresher(store),
            token=token,
            raw=raw.get,
        )
    )
    page.start(config.web)
    try:
        logger.info("serving", extra={"address": page.address})
        until.wait()
    finally:
        page.stop()
        logger.info("stopped")
