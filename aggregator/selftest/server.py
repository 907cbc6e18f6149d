"""A server on this machine that runs a script for each request.

It uses bare sockets, so that a script can misbehave in any way.

`aggregator selftest`, the newsroom of the demo and the tests use it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_MAX_REQUEST_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived: method, target, and headers in their order. All are decoded as latin-1."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """Return the first header of that name; None if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def has_header(self, name: str) -> bool:
        """Return whether the request has a header of that name."""
        return self.header(name) is not None


class Peer:
    """The argument of a script, which answers one request: the request and the connection to the client.

    `number` is the number of the request at this server, from 0 on.
    """

    def __init__(self, server: Server, connection: socket.socket, request: Request, number: int) -> None:
        self.server = server
        self.request = request
        self.number = number
        self.keeps = False  # whether the connection serves another request
        self.connection = connection

    def send(self, *pieces: bytes) -> None:
        """Send bytes unchanged.

        Raises:
            OSError: the client has gone. The script need not catch this; the server then ends the connection.
        """
        for piece in pieces:
            self.connection.sendall(piece)

    def drip(self, data: bytes, pause: float) -> None:
        """Send `data` byte by byte, with `pause` seconds after each byte. If the server stops, end early."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            if self.server.stopping.wait(pause):
                return

    def answer(
        self, status: int = 200, body: bytes = b"", headers: Iterable[str | bytes] = (), *, keep: bool = True
    ) -> None:
        """Send a well-formed answer with a Content-Length. `keep`: the connection stays open for another request."""
        self.keeps = keep
        self.send(head(status, (*headers, f"Content-Length: {len(body)}")) + body)  # one packet: no delayed ACK

    def redirect(self, location: str | bytes, status: int = 302) -> None:
        """Send a redirect to `location`."""
        place = location.encode() if isinstance(location, str) else location
        self.answer(status, headers=(b"Location: " + place,))

    def hang(self, seconds: float = 60) -> None:
        """Send nothing until the client leaves, the server stops, or the time is over."""
        self.connection.settimeout(seconds)
        self.connection.recv(1)

    def reset(self) -> None:
        """Make the connection end with a reset (RST) when the script ends."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Script = Callable[[Peer], None]


def answers(status: int = 200, body: bytes = b"", headers: Iterable[str | bytes] = ()) -> Script:
    """Return a script that gives every request the same well-formed answer."""
    return lambda peer: peer.answer(status, body, headers)


def sends(*pieces: bytes) -> Script:
    """Return a script that sends these bytes and closes the connection."""
    return lambda peer: peer.send(*pieces)


def redirects(location: str | bytes) -> Script:
    """Return a script that redirects every request to `location`."""
    return lambda peer: peer.redirect(location)


def endless(start: bytes, piece: bytes) -> Script:
    """Return a script that sends `start`, and then `piece` again and again until client or server ends it."""

    def script(peer: Peer) -> None:
        peer.send(start)
        while not peer.server.stopping.is_set():
            peer.send(piece)

    return script


def head(status: int = 200, headers: Iterable[str | bytes] = ()) -> bytes:
    """Return the bytes of a status line and of headers. A header is given as one line without its line end."""
    lines = [f"HTTP/1.1 {status} X", *headers]
    return b"".join((line.encode("latin-1") if isinstance(line, str) else line) + b"\r\n" for line in lines) + b"\r\n"


class Server:
    """A server that runs `script` for each request. It runs inside a `with` statement.

    It counts connections and keeps every request. With `tls` it speaks https.
    """

    def __init__(self, script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._script = script
        self._tls = tls
        self._listener = socket.create_server((host, 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def last(self) -> Request:
        """The last request, or an empty one if there was none."""
        return self.requests[-1] if self.requests else Request(method="", target="", headers=())

    def url(self, path: str = "/", *, host: str = "") -> str:
        """Return an address of this server. `host` replaces the server's own host in it."""
        return f"{'https' if self._tls else 'http'}://{host or self.host}:{self.port}{path}"

    def __enter__(self) -> Server:
        self._listener.settimeout(None)
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        with self._lock:
            waiting = (*self._open, self._listener)
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="selftest server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            secured = connection
            if self._tls is not None:
                secured = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.add(secured)
            with contextlib.closing(secured):
                while self._serve_one(secured):
                    pass
        except OSError:
            return  # the client has gone
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _serve_one(self, connection: socket.socket) -> bool:
        """Answer one request. Return whether the connection stays open for another one."""
        raw = b""
        while b"\r\n\r\n" not in raw:
            received = connection.recv(_MAX_REQUEST_BYTES)
            if not received or len(raw) > _MAX_REQUEST_BYTES:
                return False
            raw += received
        request = _parse_request(raw)
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        peer = Peer(self, connection, request, number)
        self._script(peer)
        return peer.keeps


def _parse_request(raw: bytes) -> Request:
    first, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target, _ = (*first.split(" "), "", "", "")[:3]
    pairs = (line.partition(":") for line in lines)
    return Request(method=method, target=target, headers=tuple((name, value.strip(" ")) for name, _, value in pairs))
