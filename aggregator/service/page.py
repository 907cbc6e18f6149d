"""Runs the process that serves page and API of a daemon, and restarts it when it dies.

It is a process of its own, so that requests do not delay polls. The daemon also restarts it when the `[web]` settings
or the content of the token file change. So a new token is in force at the latest one tick after its file was written.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from aggregator import log
from aggregator.config.settings import Config, WebSettings
from aggregator.config.wiring import raw_folder
from aggregator.engine.pool import interrupts_blocked
from aggregator.errors import AggregatorError, ConfigError
from aggregator.store import SqlStore
from aggregator.web.listening import PageSettings, address_of, close, listen, listen_at, read_token

logger = logging.getLogger("aggregator.service")  # its lines are shown at the default level

_STOP_SECONDS: Final = 4.0
_LONGEST_PAUSE: Final = 60.0  # seconds between two starts of a process that dies at once
_STEADY: Final = 60.0  # a process that ran for so many seconds counts as healthy
_START: Final = "import sys; sys.path[:] = {path!r}; from aggregator.web.process import main; main()"


def page_settings(config: Config, daemon: str = "") -> PageSettings:
    """Return what the page's process must know of the configuration. The token is added when the process starts.

    `daemon` is the name of the daemon's record, or "" if there is no daemon.
    """
    style, level = log.current()
    return PageSettings(
        store_url=config.storage.url,
        raw_folder=str(raw_folder(config)),
        token=None,
        daemon=daemon,
        log_style=style,
        log_level=level,
    )


class PageProcess:
    """The process that serves the status page and the API, and its listening socket.

    The socket stays open if the process dies.
    """

    def __init__(self, settings: PageSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._socket: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._applied: tuple[WebSettings, str | None] | None = None
        self._complaint = ""
        self._deaths = 0
        self._started_at = self._left_at = 0.0

    @property
    def address(self) -> str:
        """The address of the page for a browser, or "" if no page is served."""
        return "" if self._socket is None else address_of(self._socket)

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if there is no process."""
        return None if self._child is None else self._child.pid

    @property
    def complaint(self) -> str:
        """Why the page is not served although it is configured, or "" if there is no such problem."""
        return self._complaint

    def start(self, settings: WebSettings) -> None:
        """Listen on the configured address and start the process of the status page. Without an address, do nothing.

        Raises:
            ConfigError: the token cannot be read.
            PortError: the address is taken.
        """
        token = read_token(settings.token_file)
        if settings.address is not None:
            self._socket = _open(settings.address)
            self._settings = replace(self._settings, token=token, base_url=settings.base_url)
            self._launch()
        self._applied = (settings, token)

    def follow(self, settings: WebSettings) -> None:
        """Apply newer settings or a newer token, and start the process again if it died. Called at each tick.

        If the address is taken or the token cannot be read, nothing is served, and the next call tries again.
        """
        try:
            if (settings, read_token(settings.token_file)) == self._applied:
                self._revive()
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

    def leave(self) -> None:
        """Tell the process that serves the status page to end, and return without waiting for its end."""
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.closed:
            self._left_at = self._monotonic()
            with contextlib.suppress(OSError):
                self._child.stdin.close()

    def stop(self) -> None:
        """End the process that serves the status page, and close the address it listens on.

        The process has a few seconds to end, counted from `leave` if that was called before. Then it is killed.
        """
        self.leave()
        child, self._child = self._child, None
        if child is not None:
            try:
                child.wait(max(self._left_at + _STOP_SECONDS - self._monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._socket is not None:
            close(self._socket)
        self._socket = self._applied = None
        self._deaths = 0

    def _launch(self) -> None:
        assert self._socket is not None
        descriptor = self._socket.fileno()
        self._started_at = self._monotonic()
        with interrupts_blocked():  # Ctrl-C is for the daemon; a child that is loading would print a traceback
            self._child = child = subprocess.Popen(  # noqa: S603 - our own code; the settings go over the pipe
                [sys.executable, "-c", _START.format(path=sys.path), "aggregator page", str(descriptor)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            )
        assert child.stdin is not None
        with contextlib.suppress(OSError):  # it is dead: `_revive` notices
            child.stdin.write(self._settings.dump())
            child.stdin.flush()

    def _revive(self) -> None:
        """Start the process again if it has died: at once the first time, then with growing pauses between two starts.

        A pause is at most a minute. If the process lived for a minute, the next start is at once again.
        """
        child = self._child
        if child is None or child.poll() is None:
            return
        lived = self._monotonic() - self._started_at
        if lived >= _STEADY:
            self._deaths = 0
        if lived < min(2.0**self._deaths - 1, _LONGEST_PAUSE):
            return
        self._deaths += 1
        logger.warning("status page died; started again", extra={"status": child.returncode})
        assert child.stdin is not None
        with contextlib.suppress(OSError):
            child.stdin.close()
        self._launch()


def _open(address: tuple[str, int] | Path) -> socket.socket:
    return listen_at(address) if isinstance(address, Path) else listen(*address)


def serve_alone(config: Config, store: SqlStore, until: threading.Event) -> None:
    """Serve page and API in this process, without a daemon, until the event `until` is set.

    Raises:
        ConfigError: `[web] listen` is off, or the token cannot be read.
        PortError: the address is taken.
    """
    from aggregator.web.process import start_page  # late: it loads all that answers requests

    if config.web.address is None:
        raise ConfigError('[web] listen: is "", so there is nothing to serve; write "127.0.0.1:8642"')
    token = read_token(config.web.token_file)
    settings = replace(page_settings(config), token=token, base_url=config.web.base_url)
    with contextlib.ExitStack() as stack:
        sock = _open(config.web.address)
        stack.callback(close, sock)
        stack.enter_context(start_page(settings, store, sock.dup(), until))
        logger.info("serving", extra={"address": address_of(sock)})
        until.wait()
    logger.info("stopped")
