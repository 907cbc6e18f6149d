"""The newsroom: an HTTP server on 127.0.0.1 with the sites of invented publishers.

A client uses it as HTTP proxy, or names a publisher in the Host header. The server knows keep-alive, conditional
requests and gzip, but no TLS. `pages` makes the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from aggregator.demo.content import FIRST_STATE, LAST_STATE, read_publications
from aggregator.demo.pages import Place, Reply, place_of, render_newsroom
from aggregator.selftest.server import Peer, Request, Server, head


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that the newsroom answered, and the status of the answer. Header names are in lower case."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]


class Newsroom:
    """The server with the invented publishers. It runs inside a `with` statement.

    It begins in the earlier of its two states. `advance` changes to the later one, in which articles and feeds have
    changed.
    """

    def __init__(self) -> None:
        self._states = {state: render_newsroom(read_publications(), state) for state in (FIRST_STATE, LAST_STATE)}
        self._state = FIRST_STATE
        self._requests: list[LoggedRequest] = []
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self._server = Server(self._answer).__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.__exit__(*exc)

    @property
    def port(self) -> int:
        """The port of the server on 127.0.0.1."""
        if self._server is None:
            raise RuntimeError("the newsroom is closed; use it in a with statement")
        return self._server.port

    @property
    def proxy_url(self) -> str:
        """The address of the server as a value for `[http] proxy`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """All requests so far, in the order in which they were answered."""
        return tuple(self._requests)

    def advance(self) -> None:
        """Change to the later state, as if some hours had passed at every publisher. A second call changes nothing."""
        self._state = LAST_STATE

    def _answer(self, peer: Peer) -> None:
        request = peer.request
        url, reply = self._find(request)
        unchanged = _is_unchanged(reply, request.header("If-None-Match"), request.header("If-Modified-Since"))
        status = 304 if unchanged else reply.status
        headers = {name.lower(): value for name, value in request.headers}
        self._requests.append(LoggedRequest(method=request.method, url=url, status=status, headers=headers))
        named = (("Location", reply.location), ("ETag", reply.etag), ("Last-Modified", reply.last_modified))
        lines = [f"{name}: {value}" for name, value in named if value is not None]
        peer.keeps = True
        if unchanged:
            peer.send(head(304, lines))
            return
        body = reply.body
        if reply.zipped is not None and "gzip" in (request.header("Accept-Encoding") or ""):
            body = reply.zipped
            lines += ["Content-Encoding: gzip", "Vary: Accept-Encoding"]
        lines += [f"Content-Type: {reply.content_type}", f"Content-Length: {len(body)}"]
        peer.send(head(status, lines) + (b"" if request.method == "HEAD" else body))

    def _find(self, request: Request) -> tuple[str, Reply]:
        """Return the requested address and the answer of the newsroom.

        A request to a proxy names its host in the request target (RFC 9112, 3.2.2), other requests in the Host header.
        """
        host = request.header("Host") or ""
        target = urlsplit(request.target)
        path = target._replace(scheme="", netloc="").geturl()
        for name in (target.netloc, host):
            url = f"http://{name.lower().removesuffix(':80')}{path or '/'}"
            reply = self._reply_to(place_of(url))
            if reply is not None:
                return url, reply
        return f"http://{(target.netloc or host).lower()}{path}", _NO_SUCH_HOST

    def _reply_to(self, place: Place) -> Reply | None:
        """Return the answer of an address in the present state: 404 for an unknown path, None for an unknown host."""
        replies = self._states[self._state]
        if (place[0], "/robots.txt") not in replies:
            return None
        return replies.get(place, _NOT_FOUND)


_NOT_FOUND = Reply(status=404, body=b"<!doctype html><title>Not found</title><h1>404 Not Found</h1>\n")
_NO_SUCH_HOST = Reply(status=502, body=b"no such host in the newsroom\n", content_type="text/plain")


def _is_unchanged(reply: Reply, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Return whether 304 is the answer to a request with these two headers (RFC 9110, 13.2.2).

    ETag and Last-Modified must come back byte for byte. If the request has If-None-Match and the reply an ETag, the
    date does not count.
    """
    if reply.status != 200:
        return False
    if if_none_match is not None and reply.etag is not None:
        return if_none_match == reply.etag
    return reply.last_modified is not None and if_modified_since == reply.last_modified
