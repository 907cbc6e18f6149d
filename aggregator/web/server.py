"""Runs an application in a thread of this process, on a socket that is open before anything else starts."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from aggregator.errors import ConfigError, PortError
from aggregator.models.ids import FeedId
from aggregator.ports.store import Store
from aggregator.schedule.due_times import forced_due
from aggregator.web.connections import ConnectionLimits, LimitedServer, default_limits

_STOP_SECONDS: Final = 2  # what a stop leaves to the answers under way
_BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `[web] listen`; port 0 is any free one.

    Raises:
        PortError: the address is taken, or is none of ours.
    """
    try:
        return _listening(host, port)
    except OSError as error:
        raise PortError(
            f'[web] listen: "{host}:{port}" is not free ({_reason(error)}); name another port, or "" for off'
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    """Return a listening socket whose connections send small answers at once.

    asyncio sets TCP_NODELAY only where the socket names its protocol. Without it the second part of every answer
    waits for the client's delayed acknowledgement: 44 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def listen_at(path: Path) -> socket.socket:
    """Return a socket that listens at a path, for this user and group; what a dead process left there goes.

    Raises:
        PortError: another process listens there, or the path cannot be used.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and sock.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()
        sock.close()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(path))
        path.chmod(0o660)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise PortError(
            f'[web] listen: "unix:{path}" cannot be opened ({_reason(error)}); name another path'
        ) from error
    return sock


def close(sock: socket.socket) -> None:
    """Close a listening socket; its file goes, if it has one."""
    path = Path(sock.getsockname()) if sock.family is socket.AF_UNIX else None
    sock.close()
    if path is not None:
        path.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)


class RunningServer:
    """A server at work; `stop` ends it, leaving a moment to the answers under way."""

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


def address_of(sock: socket.socket) -> str:
    """Return where to look with a browser for what a socket listens to, or `unix:` and its path."""
    if sock.family is socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def read_token(path: Path | None) -> str | None:
    """Return what `[web] token_file` holds, without white space around it; None: no token is wanted.

    Raises:
        ConfigError: the file is empty or cannot be read.
    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[web] token_file: {path} cannot be read ({error})") from error
    if not token:
        raise ConfigError(f"[web] token_file: {path} is empty; write a long random text into it")
    return token


def refresher(store: Store) -> Callable[[FeedId], bool]:
    """Return the `refresh` of an application over `store`: the daemon's next tick, or a worker, finds the feed due."""

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
