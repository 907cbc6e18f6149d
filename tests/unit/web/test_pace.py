"""Requests beside a busy daemon: they wait for their share of CPU; answers are given more than once. Time is played."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aggregator.web.pace import RESERVE, SHARE, CpuBudget, Pace

BUILT = 0.02  # seconds of CPU of an answer that is made


class Played:
    """A machine with a clock, a daemon, and an application whose answers cost CPU; `sleep` lets time pass."""

    def __init__(self, *, busy: bool = True) -> None:
        self.now, self.cpu = 1000.0, 0.0
        self.busy = busy
        self.made, self.cost = 0, BUILT
        self.status, self.body, self.parts = 200, b"hello", 1
        self.pace = Pace(
            self.answer, lambda: self.busy, CpuBudget(lambda: self.now, lambda: self.cpu), lambda: self.now, self.sleep
        )

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.made += 1
        self.cpu += self.cost
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"n", b"%d" % self.made)]})
        for part in range(self.parts):
            more = part + 1 < self.parts
            await send({"type": "http.response.body", "body": self.body, "more_body": more})

    async def ask(
        self, path: str = "/", method: str = "GET", query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> bytes:
        """Return the number of the answer."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            self.cpu += 0.0005
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
        await self.pace(scope, self.sleep, send)
        assert sent[-1]["body"] == self.body
        return bytes(sent[0]["headers"][0][1])

    def ask_all(self, *paths: str, **options: Any) -> list[bytes]:
        async def asking() -> list[bytes]:
            return [await self.ask(path, **options) for path in paths]

        return asyncio.run(asking())


@pytest.fixture
def flooded() -> Played:
    """A machine whose reserve is used up, so that requests wait."""
    played = Played()
    played.cpu = RESERVE + 0.01
    return played


def test_a_flood_gets_its_share_of_a_core_and_no_more() -> None:
    played = Played()
    began = played.now
    played.ask_all(*(f"/articles/{number}" for number in range(500)))
    assert played.made == 500
    assert played.cpu <= RESERVE + SHARE * (played.now - began) + BUILT + 0.001
    assert played.cpu >= SHARE * (played.now - began)


def test_beside_an_idle_daemon_nothing_waits_and_each_answer_is_new() -> None:
    played = Played(busy=False)
    assert len(set(played.ask_all(*["/"] * 200))) == 200
    assert played.now == 1000.0


def test_few_requests_do_not_wait_for_a_busy_daemon() -> None:
    played = Played()
    assert len(set(played.ask_all(*["/"] * 10))) == 10
    assert played.now == 1000.0


def test_an_answer_is_given_to_equal_requests_for_two_seconds(flooded: Played) -> None:
    first, again, other = flooded.ask_all("/", "/", "/feeds")
    assert first == again != other
    flooded.now += 2.5
    flooded.cpu += 1.0
    assert flooded.ask_all("/") != [first]


def test_requests_that_began_together_share_an_answer(flooded: Played) -> None:
    async def asking() -> list[bytes]:
        return await asyncio.gather(*(flooded.ask() for _ in range(50)))

    assert len(set(asyncio.run(asking()))) <= 2


def test_answers_of_other_forms_are_not_mixed(flooded: Played) -> None:
    plain = flooded.ask_all("/")
    assert flooded.ask_all("/", headers=((b"user-agent", b"x"),)) == plain
    for name in (b"host", b"Accept-Encoding", b"if-none-match"):
        assert flooded.ask_all("/", headers=((name, b"x"),)) != plain
    assert flooded.ask_all("/", query=b"page=2") != plain


def test_what_changes_the_store_is_passed_on_and_ends_what_is_kept(flooded: Played) -> None:
    before = flooded.ask_all("/")
    assert flooded.ask_all("/", method="POST") != flooded.ask_all("/", method="POST")
    assert flooded.ask_all("/") != before


def test_an_answer_to_a_request_that_waits_for_a_change_is_its_own(flooded: Played) -> None:
    assert len(set(flooded.ask_all("/api/v1/articles", "/api/v1/articles", query=b"after=5&wait=30s"))) == 2


@pytest.mark.parametrize(("status", "parts", "body"), [(500, 1, b"x"), (200, 2, b"x"), (200, 1, b"x" * 600_000)])
def test_errors_streams_and_large_answers_are_not_kept(flooded: Played, status: int, parts: int, body: bytes) -> None:
    flooded.status, flooded.parts, flooded.body = status, parts, body
    assert len(set(flooded.ask_all("/", "/"))) == 2


def test_the_last_sixteen_answers_are_kept(flooded: Played) -> None:
    flooded.cost = 0.0
    paths = [f"/{number}" for number in range(17)]
    first, *others = flooded.ask_all(*paths)
    assert flooded.ask_all(*paths[1:]) == others
    assert flooded.ask_all(paths[0]) != [first]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_never_wait(flooded: Played, path: str) -> None:
    flooded.ask_all(*[path] * 100)
    assert flooded.now == 1000.0
    assert flooded.made == 100


def test_other_messages_pass() -> None:
    played = Played()
    seen: list[str] = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    pace = Pace(note, lambda: True, CpuBudget(lambda: 0.0, lambda: 0.0))
    asyncio.run(pace({"type": "lifespan"}, played.sleep, played.sleep))
    assert seen == ["lifespan"]


def test_clients_that_read_slowly_do_not_stop_the_others() -> None:
    now = [0.0]
    budget = CpuBudget(lambda: now[0], lambda: 0.0)
    for _ in range(128):
        budget.begin()
    now[0] += RESERVE / SHARE
    assert budget.wait() == 0.0


def test_one_long_answer_makes_others_wait_for_two_seconds_at_most() -> None:
    cpu = [0.0]
    budget = CpuBudget(lambda: 0.0, lambda: cpu[0])
    cpu[0] = 60.0
    assert 0.0 < budget.wait() < 2.0
