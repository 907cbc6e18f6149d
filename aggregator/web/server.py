"""Runs an application in a thread of this process, on a socket that `listening` opened before."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from aggregator.models.ids import FeedId
from aggregator.ports.store import Store
from aggregator.schedule.due_times import forced_due
from aggregator.web.connections import ConnectionLimits, LimitedServer, default_limits
from aggregator.web.listening import address_of

_STOP_SECONDS: Final = 2  # what a stop leaves to the answers under way


class RunningServer:
    """A running server; `stop` ends it, and gives answers under way a moment to end."""

    def __init__(
        self,
        application: Any,  # Any: an ASGI application
        sock: socket.socket,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.address: tuple[str, int] = ("", 0) if sock.family is socket.AF_UNIX else sock.getsockname()[:2]
        self.url = address_of(sock)
        self._server = LimitedServer(application, limits or default_limits(), _STOP_SECONDS)
        self._socket = sock
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name="web", daemon=True)
        self._thread.start()

    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._server.server_state.connections)

    def stop(self) -> None:
        """Take no more requests, wait until those under way end, close the socket."""
        self._server.should_exit = True
        self._thread.join(timeout=_STOP_SECONDS + 1)
        self._socket.close()

    def __enter__(self) -> RunningServer:
        """Return the server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


def refresher(store: Store) -> Callable[[FeedId], bool]:
    """Return the `refresh` of an application over `store`: makes a feed due for the daemon's next tick, or a worker."""

    def refresh(feed_id: FeedId) -> bool:
        now = store.now()
        if not any(feed.enabled and forced_due(feed.state, now) for feed in store.feeds(ids=[feed_id])):
            return False
        store.make_due([feed_id], now)
        return True

    return refresh


def serve(
    application: Any,  # Any: an ASGI application
    sock: socket.socket,
    limits: ConnectionLimits | None = None,
) -> RunningServer:
    """Answer requests on `sock` in a thread, until `stop`. Signals stay with the caller."""
    return RunningServer(application, sock, limits)
