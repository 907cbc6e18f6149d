"""An HTTP server on 127.0.0.1 with the sites of invented publishers: as the proxy of the demo, and by Host header.

It speaks HTTP/1.1 with keep-alive, conditional requests and gzip; no TLS. `pages` makes its answers.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aggregator.demo.content import FIRST_STATE, LAST_STATE, read_publications
from aggregator.demo.pages import Place, Reply, place_of, render_newsroom


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request that the newsroom answered. `headers` are the client's, names in lower case."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]


class Newsroom:
    """The publishers' server, from `__enter__` to `__exit__`.

    It has two states: `advance` changes an article and adds entries to feeds.
    """

    def __init__(self) -> None:
        self._states = {state: render_newsroom(read_publications(), state) for state in (FIRST_STATE, LAST_STATE)}
        self._state = FIRST_STATE
        self._requests: list[LoggedRequest] = []
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), name="newsroom", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None and self._thread is not None  # noqa: PT018
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port of the server on 127.0.0.1."""
        if self._server is None:
            raise RuntimeError("the newsroom is closed; use it in a with statement")
        return self._server.server_port

    @property
    def proxy_url(self) -> str:
        """The value for `[http] proxy`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """Every request so far, in the order of the answers."""
        return tuple(self._requests)

    def advance(self) -> None:
        """Change to the second state: some hours later at every publisher. A further call changes nothing."""
        self._state = LAST_STATE

    def reply_to(self, place: Place) -> Reply | None:
        """Return the present answer for that host and path; `None` if there is no such host."""
        replies = self._states[self._state]
        if (place[0], "/robots.txt") not in replies:
            return None
        return replies.get(place, _NOT_FOUND)

    def log_request(self, request: LoggedRequest) -> None:
        """Remember an answered request."""
        self._requests.append(request)


_NOT_FOUND = Reply(status=404, body=b"<!doctype html><title>Not found</title><h1>404 Not Found</h1>\n")
_NO_SUCH_HOST = Reply(status=502, body=b"no such host in the newsroom\n", content_type="text/plain")


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for them
    request_queue_size = 128

    def __init__(self, newsroom: Newsroom) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.newsroom = newsroom
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:  # Any: the address, as socketserver types it
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # Any: socketserver's own type
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake the threads that wait on an idle connection."""
        for connection in tuple(self._open):
            with suppress(OSError):  # the client has left
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body: without it, delayed ACKs cost 40 ms a request
    disable_nagle_algorithm = True
    server: _Server

    def version_string(self) -> str:
        """Name the server in the Server header."""
        return "newsroom"

    def do_GET(self) -> None:
        """Answer in full."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the newsroom keeps its own log."""

    def _answer(self, *, with_body: bool) -> None:
        url, reply = self._find()
        unchanged = _is_unchanged(reply, self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since"))
        status = 304 if unchanged else reply.status
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.newsroom.log_request(
            LoggedRequest(method=self.command, url=url, status=status, headers=headers),
        )
        self._send(reply, status, with_body=with_body and not unchanged)

    def _find(self) -> tuple[str, Reply]:
        """Return the requested address and its answer, in absolute form (RFC 9112, 3.2.2) or by Host."""
        host = self.headers.get("Host", "")
        target = urlsplit(self.path)
        path = target._replace(scheme="", netloc="").geturl()
        for name in (target.netloc, host):
            url = f"http://{name.lower().removesuffix(':80')}{path or '/'}"
            reply = self.server.newsroom.reply_to(place_of(url))
            if reply is not None:
                return url, reply
        return f"http://{(target.netloc or host).lower()}{path}", _NO_SUCH_HOST

    def _send(self, reply: Reply, status: int, *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in (
            ("Location", reply.location),
            ("ETag", reply.etag),
            ("Last-Modified", reply.last_modified),
        ):
            if value is not None:
                self.send_header(name, value)
        if status == 304:
            self.end_headers()
            return
        body = reply.body
        if reply.zipped is not None and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = reply.zipped
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _is_unchanged(reply: Reply, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Return whether 304 is the answer; validators must come back byte for byte (RFC 9110, 13.2.2)."""
    if reply.status != 200:
        return False
    if if_none_match is not None and reply.etag is not None:
        return if_none_match == reply.etag
    return reply.last_modified is not None and if_modified_since == reply.last_modified
