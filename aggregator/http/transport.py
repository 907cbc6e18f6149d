"""Connections to checked addresses, with one deadline and a limit of bytes for each exchange.

The library requests gives the adapter and trusted certificates; urllib3 gives pools, TLS, SNI and proxies. The classes
here choose the IP address of a connection, limit the time of each read, and read the head. `fetch` handles redirects,
content codings and the meaning of an answer.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Timeout, disable_warnings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import InsecureRequestWarning
from urllib3.response import BaseHTTPResponse

from aggregator.http.causes import FOREIGN, NetworkError
from aggregator.http.endpoint import Endpoint
from aggregator.http.netguard import IPNetwork, Resolver, literal_address, parse_networks
from aggregator.http.response_head import LenientResponse
from aggregator.models.fetching import Cause

_MAX_ADDRESSES = 6  # tried for one name
_POOL_SIZE = 16  # kept connections to one host; visits use one or two
_PROXY_POOL_SIZE = 64
_MAX_FRAMING_BYTES = 1 << 19  # heads and chunk sizes beyond the content's size; one-byte chunks cost seconds
_MAX_IDLE_SECONDS = 55.0  # a gateway may drop a quiet connection after this time without notice
_READ_BYTES = 65_536
_DRAIN_BYTES = 32_768  # a short unwanted body is read, so that its connection can be kept
_DRAIN_SECONDS = 0.5
_SHORTEST_SHARE = 0.01  # seconds for an address that is tried when the time is over
_ANY_NETWORK = parse_networks(["0.0.0.0/0", "::/0"])  # for the operator's own proxy


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """One request of one thread and its answer: its time limits, its connection, and the bytes received so far."""

    monotonic: Callable[[], float]
    deadline: float  # of `monotonic`
    patience: float  # seconds for connecting, and between two bytes
    fresh: bool = False  # use no kept connection
    route: Route = field(init=False)  # set by `Transport.exchange`
    target: str = field(default="", init=False)  # of the request line, unchanged: urllib3 would rewrite escapes
    reused: bool = field(default=False, init=False)
    wire_bytes: int = field(default=0, init=False)
    body_bytes: int = field(default=0, init=False)  # bytes of the content among these
    socket: socket.socket | None = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)

    def left(self) -> float:
        """Return for how many seconds the next connect or read may wait.

        Raises:
            NetworkError: the deadline has passed, or `stop` was called.
        """
        left = self.deadline - self.monotonic()
        if left <= 0 or self.stopped:
            raise NetworkError(Cause.TIMEOUT, "stopped" if self.stopped else "the time for one request is over")
        return min(left, self.patience)

    def addresses_of(self, host: str, port: int, *, is_proxy: bool = False) -> tuple[str, ...]:
        """Return the checked IP addresses of `host`; `is_proxy`: the operator's own proxy may have any address.

        Raises:
            NetworkError: the name does not resolve in time, or an address is forbidden.
        """
        allowed = _ANY_NETWORK if is_proxy else self.route.allowed
        return self.route.resolver.resolve(host, port, allowed, self.left())

    def count(self, number: int) -> int:
        """Count `number` received bytes, and return `number`.

        Raises:
            NetworkError: the bytes of heads and chunk sizes exceed the bytes of content by more than 512 KiB.
        """
        self.wire_bytes += number
        if self.wire_bytes - self.body_bytes > _MAX_FRAMING_BYTES + self.body_bytes:
            raise NetworkError(Cause.PROTOCOL, "more framing than content")
        return number

    def stop(self) -> None:
        """End the exchange. The socket is shut down, since `close` does not wake a thread that is blocked in a read."""
        self.stopped = True
        sock = self.socket
        if sock is not None:
            with suppress(OSError):  # it was closed meanwhile
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where requests may go: the networks allowed beside public addresses, and the proxy's URL ("": no proxy)."""

    allowed: tuple[IPNetwork, ...]
    resolver: Resolver
    proxy: str = ""
    proxy_resolves: bool = False  # the proxy gets the name, so only literal addresses can be checked


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


class Transport:
    """The connections that are kept open for one `Route` and one set of TLS settings. All threads share them."""

    def __init__(self, route: Route, *, pool_hosts: int, ca_file: str | None = None, insecure: bool = False) -> None:
        self._route = route
        if insecure:  # the operator asked for it, so no warning at each request
            disable_warnings(InsecureRequestWarning)
        self._adapter = _GuardedAdapter(pool_hosts, _trust(ca_file, insecure=insecure))
        self._exchanges: set[Exchange] = set()
        self._closed = False

    @contextmanager
    def exchange(self, exchange: Exchange) -> Iterator[None]:
        """Apply the limits of `exchange` to every read of this thread, until the block ends."""
        _current.exchange, exchange.route = exchange, self._route
        self._exchanges.add(exchange)
        exchange.stopped = self._closed
        try:
            yield
        finally:
            _current.exchange = None
            self._exchanges.discard(exchange)

    def open(
        self, endpoint: Endpoint, headers: Mapping[str, str], *, method: str = "GET", body: bytes | None = None
    ) -> BaseHTTPResponse:
        """Send a request and return the answer with its body unread. Call it within the block of `exchange` only.

        Raises:
            NetworkError: the address is forbidden, there is no connection, or the time is over.
            HTTPError, HTTPException, OSError, ValueError: from urllib3 and http.client.
        """
        exchange, target = _exchange(), endpoint.path
        manager: PoolManager = self._adapter.poolmanager
        if self._route.proxy:
            manager = self._adapter.proxy_manager_for(self._route.proxy)
            if endpoint.scheme == "http":
                target = f"http://{_place_for_proxy(endpoint, exchange)}{endpoint.path}"
        pool = manager.connection_from_host(endpoint.host, endpoint.port, endpoint.scheme)
        exchange.target = target
        patience = exchange.left()
        return pool.urlopen(
            method,
            target,
            body=body,
            headers={"Host": endpoint.authority, **headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=patience, read=patience),
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """End the requests of all threads, and close the kept connections."""
        self._closed = True
        for exchange in tuple(self._exchanges):
            exchange.stop()
        self._adapter.close()


def stream(response: BaseHTTPResponse, exchange: Exchange) -> Iterator[bytes]:
    """Yield the body of an answer in pieces, before it is decompressed."""
    for chunk in response.stream(_READ_BYTES, decode_content=False):
        exchange.body_bytes += len(chunk)
        yield chunk


def drain(response: BaseHTTPResponse, exchange: Exchange) -> None:
    """Read an unwanted body, so that its connection can be kept: at most 32 KiB, for at most half a second."""
    exchange.deadline = min(exchange.deadline, exchange.monotonic() + _DRAIN_SECONDS)
    read = 0
    try:
        if response.length_remaining == 0:
            response.read()  # reads no bytes, but ends the answer and frees the connection
            return
        for chunk in stream(response, exchange):
            read += len(chunk)
            if read > _DRAIN_BYTES:
                return
    except (NetworkError, *FOREIGN):
        return  # the status is enough


@lru_cache(maxsize=4)  # reading the certificates takes 40 ms
def _trust(ca_file: str | None, *, insecure: bool = False) -> ssl.SSLContext:
    """Return TLS settings that trust the system's certificates, those of requests and `ca_file`; if `insecure`, any."""
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = _BoundTLSSocket
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _place_for_proxy(endpoint: Endpoint, exchange: Exchange) -> str:
    """Return the host (and port) that the proxy is to request: a checked IP address, or a name that it resolves."""
    if exchange.route.proxy_resolves:
        _check_literal(endpoint.host, endpoint.port, exchange)
        return endpoint.authority
    address = _address_for_proxy(endpoint.host, endpoint.port, exchange)
    place = f"[{address}]" if ":" in address else address
    return place if endpoint.port == 80 else f"{place}:{endpoint.port}"


def _address_for_proxy(host: str, port: int, exchange: Exchange) -> str:
    """Return a checked IP address of `host`. The proxy gets it in place of the name, so it resolves no name."""
    try:
        return exchange.addresses_of(host, port)[0]
    except NetworkError as error:
        if error.cause is not Cause.DNS:
            raise
        detail = f"{error.detail}; if only the proxy resolves names, set [http] proxy_resolves = true"
        raise NetworkError(Cause.DNS, detail) from error


def _check_literal(host: str, port: int, exchange: Exchange) -> None:
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    if literal_address(host) is not None:
        exchange.addresses_of(host, port)


# --- urllib3's classes with the limits of their thread's exchange -----------------------------------------------------


class _GuardedAdapter(HTTPAdapter):
    """The adapter of the library requests, with pools that connect to checked addresses only."""

    def __init__(self, pool_hosts: int, context: ssl.SSLContext) -> None:
        self._context = context
        self._pool_hosts = pool_hosts
        super().__init__(pool_connections=pool_hosts, pool_maxsize=_POOL_SIZE)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **_: Any
    ) -> None:  # Any: the base's
        self.poolmanager = PoolManager(connections, maxsize=maxsize, block=block, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **_: Any) -> ProxyManager:  # Any: the base's
        manager: ProxyManager | None = self.proxy_manager.get(proxy)
        if manager is None:
            manager = ProxyManager(
                proxy,
                proxy_headers=self.proxy_headers(proxy),
                num_pools=self._pool_hosts,
                maxsize=_PROXY_POOL_SIZE,
                ssl_context=self._context,
                proxy_ssl_context=self._context,
            )
            manager.pool_classes_by_scheme = _POOLS
            manager = self.proxy_manager.setdefault(proxy, manager)
        return manager


class _BoundSocket(socket.socket):
    """A socket that applies the time and size limits of the thread's request to each read."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:  # Any: the signature is the base's
        exchange = _exchange()
        self._wait_for(exchange)
        return exchange.count(super().recv_into(*args, **kwargs))

    def _wait_for(self, exchange: Exchange) -> None:
        exchange.socket = self
        self.settimeout(exchange.left())


class _BoundTLSSocket(_BoundSocket, ssl.SSLSocket):
    """A TLS socket with the limits of `_BoundSocket`, for its handshake too.

    Python's `ssl` applies the timeout to a whole handshake or record, so a slow server cannot extend it.
    """

    def do_handshake(self, block: bool = False) -> None:
        self._wait_for(_exchange())
        super().do_handshake(block)


class _BoundConnection(HTTPConnection):
    response_class = LenientResponse
    asked_at = 0.0

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # Any: the base's
        super().request(method, _exchange().target, *args, **kwargs)


class _BoundTLSConnection(_BoundConnection, HTTPSConnection):
    def set_tunnel(
        self, host: str, port: int | None = None, headers: Mapping[str, str] | None = None, scheme: str = "http"
    ) -> None:
        exchange = _exchange()
        if exchange.route.proxy_resolves:
            _check_literal(host, port or 443, exchange)
        else:
            self.server_hostname = host
            host = _address_for_proxy(host, port or 443, exchange)
        super().set_tunnel(host, port, headers, scheme)


class _BoundPool(HTTPConnectionPool):
    ConnectionCls = _BoundConnection

    def _get_conn(self, timeout: float | None = None) -> Any:  # Any: the base promises a protocol of no use here
        return _ready(super()._get_conn(timeout))


class _BoundTLSPool(_BoundPool, HTTPSConnectionPool):
    ConnectionCls = _BoundTLSConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _BoundPool, "https": _BoundTLSPool}


def _exchange() -> Exchange:
    exchange = _current.exchange
    assert exchange is not None, "a connection of this module is used outside `Transport.exchange`"
    return exchange


def _ready(connection: Any) -> Any:  # Any: one of the connections above
    """Return `connection`, ready for the current exchange. Set the exchange's `reused` to whether it is still open.

    Close it first, so that it connects anew, if it was idle for too long or the exchange asks for a `fresh` one.
    """
    exchange = _exchange()
    now = exchange.monotonic()
    if exchange.fresh or now - connection.asked_at > _MAX_IDLE_SECONDS:
        connection.close()
    connection.asked_at = now
    exchange.reused = not connection.is_closed
    return connection


def _connect(connection: HTTPConnection) -> socket.socket:
    """Return a socket that is connected to a checked address of the connection's host, or to the operator's proxy.

    Up to six addresses are tried. They share the time that is left.
    """
    exchange = _exchange()
    is_proxy = connection.proxy is not None
    failed = Cause.PROXY if is_proxy else Cause.CONNECT
    host, port = connection.host, connection.port
    try:
        addresses = exchange.addresses_of(host, port, is_proxy=is_proxy)
    except NetworkError as error:
        if is_proxy:
            raise NetworkError(failed, f"proxy {error.detail}") from error
        raise
    addresses = addresses[:_MAX_ADDRESSES]
    until = exchange.monotonic() + exchange.left()
    failure: OSError | None = None
    for tried, address in enumerate(addresses):
        share = (until - exchange.monotonic()) / (len(addresses) - tried)
        try:
            sock = _open_socket(address, port, exchange, max(share, _SHORTEST_SHARE))
        except OSError as error:
            failure = error
        else:
            exchange.route.resolver.note_living(host, address)
            return sock
    reason = "timed out" if isinstance(failure, TimeoutError) else (failure and failure.strerror) or "no connection"
    raise NetworkError(failed, f"{host}:{port}: {reason}") from failure


def _open_socket(address: str, port: int, exchange: Exchange, seconds: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = exchange.socket = _BoundSocket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(seconds)
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock
