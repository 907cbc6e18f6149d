"""Runs an application in a thread of this process, on a socket that is open before anything else starts."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, Final

import uvicorn

from aggregator.errors import ConfigError

_STOP_SECONDS: Final = 2  # what a stop leaves to the answers under way
_BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `[web] listen`; port 0 is any free one.

    Raises:
        ConfigError: the address is taken, or is none of ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f'[web] listen: "{host}:{port}" cannot be used ({error.strerror or error}); name another port, or "" for off'
        ) from error


class RunningServer:
    """A server at work; `stop` ends it, leaving a moment to the answers under way."""

    def __init__(self, application: Any, sock: socket.socket) -> None:  # Any: an ASGI application
        self.address: tuple[str, int] = sock.getsockname()[:2]
        config = uvicorn.Config(
            application,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._socket = sock
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, let those under way end, close the socket."""
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


def serve(application: Any, sock: socket.socket) -> RunningServer:  # Any: an ASGI application
    """Answer requests on `sock` in a thread, until `stop`. Signals stay with the caller."""
    return RunningServer(application, sock)
