"""Limits the web server's connections in number and time, and the log lines that bad requests cause.

A client that connects and sends nothing holds a file descriptor that polls may need.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

logger = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE: Final = 16  # asyncio accepts so many before it looks at any: they count beside the limit
_QUEUED_BY_THE_SYSTEM: Final = 128
_LOG_EVERY: Final = 60.0  # seconds between two lines about the same trouble
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 22\r\n\r\nToo many connections.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections may be open at once, and how many seconds each phase of a connection may last."""

    most: int
    request_seconds: float = 10.0  # from the connection, or the end of the last answer, to a complete request head
    idle_seconds: float = 5.0  # from the end of an answer to the first byte of the next request
    answer_seconds: float = 120.0  # from a request to the last byte of its answer


def default_limits() -> ConnectionLimits:
    """Return limits that leave most of this process's file descriptors (RLIMIT_NOFILE) to other work."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = 128 if descriptors == resource.RLIM_INFINITY else min(128, descriptors // 8)
    return ConnectionLimits(most=max(allowed, 8))


class LimitedProtocol(H11Protocol):
    """One connection of the web server, under `limits`.

    If too many connections are open, a new connection replaces the one that has been silent for longest. If none is
    silent, the new one is refused with 503.
    """

    limits: ConnectionLimits

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: the server's own arguments are handed on
        super().__init__(*args, **options)
        self._phase: object = self  # the request that is answered; None: a request is awaited
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol
        """Accept the new connection, or refuse it if too many are open."""
        super().connection_made(transport)
        self._note_phase()
        if len(self.connections) <= self.limits.most:
            return
        silent = [one for one in self.connections if isinstance(one, LimitedProtocol) and one.is_silent]
        oldest = min(silent, key=lambda one: one._since, default=self)
        if oldest is self:
            transport.write(_BUSY)
            transport.close()
        else:
            oldest.drop()

    @property
    def is_silent(self) -> bool:
        """Whether the connection waits for a request: none is being answered, and all earlier answers are sent."""
        return self._answering() is None and not self._unsent()

    def drop(self) -> None:
        """End the connection at once."""
        self.connections.discard(self)  # it is closed in the next step of the loop; by then its place is taken
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read bytes that the client sent. A complete request starts the time limit for its answer."""
        super().data_received(data)
        self._note_phase()

    def on_response_complete(self) -> None:
        """Start the time limit for the next request."""
        super().on_response_complete()
        self._note_phase()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit, since the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _answering(self) -> object:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its annotation says
        return None if cycle is None or cycle.response_complete else cycle

    def _unsent(self) -> bool:
        return self.transport.get_write_buffer_size() > 0

    def _note_phase(self) -> None:
        """Start a time limit if a new phase (an answer, or the wait for a request) has begun."""
        phase = self._answering()
        if phase is self._phase or self.transport.is_closing():
            return
        self._phase, self._since = phase, self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
        wait = self.limits.request_seconds if phase is None else self.limits.answer_seconds
        self._timer = self.loop.call_later(wait, self._end_wait)

    def _end_wait(self) -> None:
        """Drop the connection at the end of its time limit, unless a complete answer is still being sent.

        Then drop it after `answer_seconds`.
        """
        left = self._since + self.limits.answer_seconds - self.loop.time()
        if self._answering() is None and self._unsent() and left > 0:
            self._timer = self.loop.call_later(left, self._end_wait)
        else:
            self.drop()


class LimitedServer(uvicorn.Server):
    """uvicorn's server with `ConnectionLimits`. It logs errors of the event loop at most once a minute."""

    def __init__(self, application: Any, limits: ConnectionLimits, stop_seconds: int) -> None:  # Any: an ASGI app
        kind = type("Connection", (LimitedProtocol,), {"limits": limits})
        super().__init__(
            uvicorn.Config(
                application,
                loop="asyncio",
                http=kind,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="error",  # a malformed request is no fault of ours
                proxy_headers=False,
                server_header=False,
                backlog=_ACCEPTED_AT_ONCE,
                timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]  # a float to the event loop
                timeout_graceful_shutdown=stop_seconds,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen on the sockets."""
        asyncio.get_running_loop().set_exception_handler(RareReport(time.monotonic))
        await super().startup(sockets)
        for sock in sockets or ():
            sock.listen(_QUEUED_BY_THE_SYSTEM)


class RareReport:
    """Logs errors of the event loop (such as "no file descriptor left") at most once a minute."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._next_at = -_LOG_EVERY

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # Any: as asyncio has it
        """Log the error that asyncio describes in `context`, unless an error was logged in the last minute."""
        now = self._monotonic()
        if now < self._next_at:
            return
        self._next_at = now + _LOG_EVERY
        reason = context.get("exception") or ""
        logger.warning("web server in trouble", extra={"what": context.get("message"), "reason": str(reason)})
