"""Runs a web application in a thread of this process, on a socket that is listening already."""

from __future__ import annotations

import socket
import threading
from typing import Any, Final

from aggregator.web.connections import ConnectionLimits, LimitedServer, default_limits
from aggregator.web.listening import address_of

_STOP_SECONDS: Final = 2  # what a stop leaves to the answers under way


class RunningServer:
    """A web server in a thread. It answers requests from its creation until `stop`, and handles no signals."""

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
        """Take no more requests, give those under way two seconds to end, and close the socket."""
        self._server.should_exit = True
        self._thread.join(timeout=_STOP_SECONDS + 1)
        self._socket.close()

    def __enter__(self) -> RunningServer:
        """Return the server itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop the server."""
        self.stop()
