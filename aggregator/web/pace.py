"""ASGI middleware that limits the CPU of requests while the daemon is busy: requests wait, equal ones share an answer.

A first fill needs a whole core. Many requests would slow it down, even at their low priority.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHARE: Final = 0.05  # of a core
RESERVE: Final = 0.5  # seconds of CPU that a quiet time leaves to later requests
_LARGEST_DEBT: Final = 0.08  # seconds of CPU: after one long answer, the next request waits 1.6 seconds at most
_EXPECTED: Final = 0.01  # seconds of CPU of a request that has just begun
_LOOK_EVERY: Final = 1.0  # second: is the daemon still busy?
_SHORTEST: Final = 0.001  # second that a request waits
_KEPT_SECONDS: Final = 2.0
_MOST_KEPT: Final = 16  # answers
_LARGEST_KEPT: Final = 500_000  # bytes of an answer
_NEVER_WAIT: Final = frozenset({"/healthz", "/readyz"})
_OF_KEY: Final = frozenset({b"host", b"accept", b"accept-encoding", b"if-none-match"})


class CpuBudget:
    """The CPU time that requests may still use while the daemon is busy.

    The budget grows by `SHARE` of the time that passes, up to `RESERVE`. An expensive request can make it negative.
    Then the next request waits until it is positive again.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        self._monotonic, self._cpu = monotonic, cpu
        self._at, self._used = monotonic(), cpu()
        self._left = RESERVE
        self._under_way = 0

    def wait(self) -> float:
        """Return the seconds after which another request may begin; 0 means now."""
        at, used = self._monotonic(), self._cpu()
        gathered = min(self._left + SHARE * (at - self._at), RESERVE)
        self._left = max(gathered - (used - self._used), -_LARGEST_DEBT)
        self._at, self._used = at, used
        expected = min(self._under_way * _EXPECTED, RESERVE / 2)  # clients that read slowly do not stop the others
        return max(expected - self._left, 0.0) / SHARE

    def begin(self) -> None:
        """Note that a request begins. Until it ends, `_EXPECTED` seconds of CPU are set aside for it."""
        self._under_way += 1

    def end(self) -> None:
        """Note that a request has ended."""
        self._under_way -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    until: float
    messages: tuple[Message, ...]


class Pace:
    """ASGI middleware: while the daemon is busy, requests begin one after another, as the `CpuBudget` allows.

    /healthz and /readyz never wait. The answer to a GET request that waited is kept for two seconds. An equal request
    that waited, too, gets the kept answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        is_busy: Callable[[], bool],
        budget: CpuBudget,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._app = app
        self._monotonic, self._sleep = monotonic, sleep
        self._is_busy = is_busy
        self._budget = budget
        self._line = asyncio.Lock()
        self._busy, self._look_at = False, 0.0
        self._kept: dict[object, _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the turn of the request, then answer it from a kept answer or pass it on."""
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) in _NEVER_WAIT:
            await self._app(scope, receive, send)
            return
        had_to_wait = await self._wait_for_turn()
        try:
            if had_to_wait and scope["method"] == "GET" and b"wait=" not in scope["query_string"]:
                await self._answer_again(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._budget.end()
            if scope["method"] != "GET":
                self._kept.clear()  # it may have changed what others show

    async def _wait_for_turn(self) -> bool:
        """Wait until this request may begin. Return whether it had to wait."""
        async with self._line:
            waited = False
            while (seconds := self._budget.wait()) > 0 and await self._is_daemon_busy():
                await self._sleep(min(max(seconds, _SHORTEST), _LOOK_EVERY))
                waited = True
            self._budget.begin()
            return waited

    async def _is_daemon_busy(self) -> bool:
        if self._monotonic() >= self._look_at:
            self._busy = await run_in_threadpool(self._is_busy)
            self._look_at = self._monotonic() + _LOOK_EVERY
        return self._busy

    async def _answer_again(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the kept answer to an equal request. If there is none, pass the request on and keep its answer."""
        headers = frozenset((name, value) for name, value in scope["headers"] if name.lower() in _OF_KEY)
        key = (scope["path"], scope["query_string"], headers)
        kept = self._kept.get(key)
        if kept is not None and self._monotonic() < kept.until:
            for message in kept.messages:
                await send(message)
            return
        messages: list[Message] = []

        async def sending(message: Message) -> None:
            messages.append(message)
            await send(message)

        await self._app(scope, receive, sending)
        if _may_be_kept(messages):
            self._keep(key, messages)

    def _keep(self, key: object, messages: list[Message]) -> None:
        now = self._monotonic()
        fresh = [(old, kept) for old, kept in self._kept.items() if now < kept.until and old != key]
        self._kept = dict(fresh[1 - _MOST_KEPT :])
        self._kept[key] = _Kept(until=now + _KEPT_SECONDS, messages=tuple(messages))


def _may_be_kept(messages: list[Message]) -> bool:
    """Return whether an answer may be kept: it is complete, has status 200 or 304, and is not too large."""
    if len(messages) != 2 or messages[0].get("status") not in (200, 304):
        return False
    return not messages[1].get("more_body") and len(messages[1].get("body", b"")) <= _LARGEST_KEPT
