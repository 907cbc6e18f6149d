"""The web server as silent, slow and many clients meet it: raw sockets on 127.0.0.1."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aggregator.web.connections import ConnectionLimits, RareReport, default_limits
from aggregator.web.listening import listen
from aggregator.web.server import RunningServer
from tests.support.daemon import wait_for

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
LONG = 60.0
LARGE = 16 * 1024 * 1024  # more than the buffers of two sockets hold


class Application:
    """Answers "hello"; /held after `free` is set; /large with much more than anybody buffers."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.held = threading.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/held":
            self.held.release()
            await asyncio.to_thread(self.free.wait, LONG)
        body = b"x" * LARGE if scope["path"] == "/large" else b"hello"
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(**limits: Any) -> Iterator[tuple[Application, RunningServer]]:
    application = Application()
    options: dict[str, Any] = {"most": 4, "request_seconds": LONG, "idle_seconds": LONG, "answer_seconds": LONG}
    with RunningServer(application, listen("127.0.0.1", 0), ConnectionLimits(**options | limits)) as server:
        try:
            yield application, server
        finally:
            application.free.set()


def connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=LONG)


def ask(sock: socket.socket, path: bytes = b"/") -> bytes:
    sock.sendall(HEAD.replace(b" / ", b" " + path + b" ") + b"\r\n")
    return read_answer(sock)


def read_answer(sock: socket.socket) -> bytes:
    read = b""
    while b"hello" not in read and (part := sock.recv(4096)):
        read += part
    return read


def test_silent_connections_make_room_for_one_that_asks() -> None:
    with serving() as (_, server):
        silent = [connect(server) for _ in range(40)]
        with connect(server) as asking:
            assert ask(asking).endswith(b"hello")
        assert [one.recv(1) for one in silent[:36]] == [b""] * 36  # closed by the server
        for one in silent:
            one.close()


def test_a_kept_connection_that_is_asked_nothing_is_as_silent() -> None:
    with serving() as (_, server):
        kept = [connect(server) for _ in range(4)]
        assert all(ask(one).endswith(b"hello") for one in kept)
        with connect(server) as asking:
            assert ask(asking).endswith(b"hello")
        assert kept[0].recv(1) == b""
        for one in kept:
            one.close()


def test_where_all_are_answered_a_further_one_is_refused() -> None:
    with serving() as (application, server):
        busy = [connect(server) for _ in range(4)]
        for one in busy:
            one.sendall(HEAD.replace(b" / ", b" /held ") + b"\r\n")
            assert application.held.acquire(timeout=LONG)
        with connect(server) as further:
            assert b"503 Service Unavailable" in further.recv(4096)
        application.free.set()
        assert all(read_answer(one).endswith(b"hello") for one in busy)
        for one in busy:
            one.close()


def test_a_head_that_does_not_end_is_not_waited_for() -> None:
    with serving(request_seconds=0.05) as (_, server), connect(server) as sock:
        sock.sendall(HEAD)
        assert sock.recv(1) == b""


def test_a_second_head_that_does_not_end_is_not_waited_for() -> None:
    with serving(request_seconds=0.3) as (_, server), connect(server) as sock:
        assert ask(sock).endswith(b"hello")
        sock.sendall(HEAD)  # ends the keep-alive timer
        assert sock.recv(1) == b""


def test_a_kept_connection_ends_when_nothing_more_is_asked() -> None:
    with serving(idle_seconds=0.05) as (_, server), connect(server) as sock:
        assert ask(sock).endswith(b"hello")
        assert sock.recv(1) == b""


def test_requests_one_after_the_other_are_each_answered() -> None:
    with serving() as (_, server), connect(server) as sock:
        sock.sendall((HEAD + b"\r\n") * 3)
        read = b""
        while read.count(b"hello") < 3:
            read += sock.recv(4096)
        assert read.count(b"200 OK") == 3


def test_an_answer_that_nobody_reads_ends() -> None:
    limits = {"request_seconds": 0.05, "idle_seconds": LONG, "answer_seconds": 0.4}
    with serving(**limits) as (_, server), connect(server) as sock:
        sock.sendall(HEAD.replace(b" / ", b" /large ") + b"\r\n")
        wait_for(lambda: server.connections() > 0, "the connection")
        wait_for(lambda: server.connections() == 0, "its end")
        read = 0
        try:
            while part := sock.recv(1 << 20):
                read += len(part)
        except ConnectionResetError:
            pass
        assert read < LARGE


def test_a_large_answer_is_given_more_time_than_a_request() -> None:
    limits = {"request_seconds": 0.05, "idle_seconds": LONG, "answer_seconds": LONG}
    with serving(**limits) as (_, server), connect(server) as sock, connect(server) as other:
        sock.sendall(HEAD.replace(b" / ", b" /large ") + b"\r\n")
        assert other.recv(1) == b""  # the time for a request has passed; nothing of the answer was read
        read = 0
        while read < LARGE:
            part = sock.recv(1 << 20)
            assert part, read
            read += len(part)


def test_small_answers_are_sent_at_once() -> None:
    """A socket that names its protocol: else asyncio leaves Nagle's algorithm on, 44 ms a request."""
    for host in ("127.0.0.1", "::1"):
        with listen(host, 0) as listening:
            assert listening.proto == socket.IPPROTO_TCP


def test_a_malformed_request_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (_, server), connect(server) as sock:
        sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b"400 Bad Request" in sock.recv(4096)
        assert not caplog.records


def test_limits_leave_most_descriptors_to_other_work() -> None:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 8 <= default_limits().most <= max(8, min(128, descriptors // 8))


def test_trouble_of_the_event_loop_is_reported_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    times = iter((0.0, 1.0, 59.0, 61.0))
    report, loop = RareReport(times.__next__), asyncio.new_event_loop()
    context = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            report(loop, context)
    loop.close()
    assert len(caplog.records) == 2
    assert "Too many open files" in caplog.records[0].__dict__["reason"]
