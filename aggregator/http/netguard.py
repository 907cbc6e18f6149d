"""Decides which IP addresses a request may connect to, and looks up host names.

For each connection a name is resolved once. All its addresses are checked, and the connection uses one of them. So a
name server cannot give a good address to the check and a forbidden one to the connection. This module opens no
connection and knows no HTTP.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future

from aggregator.http.causes import NetworkError
from aggregator.models.fetching import Cause
from aggregator.wakeup import PipeEvent

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Iterable[str]]

# Special-purpose blocks that some releases of `ipaddress` call global (IANA special-purpose registries, read 2026-11).
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in (
        "100.64.0.0/10",  # shared by the customers of one provider (RFC 6598)
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # the only IPv6 space in public use (RFC 4291, 2.4)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_LOOKUP_THREADS = 16
_MAX_LIVING = 4096  # hosts for which the last working address is kept


def parse_networks(texts: Iterable[str]) -> tuple[IPNetwork, ...]:
    """Return the networks that `texts` spell in CIDR notation. Host bits are set to zero.

    >>> parse_networks(["127.0.0.1/8", "fd00::/8"])
    (IPv4Network('127.0.0.0/8'), IPv6Network('fd00::/8'))

    Raises:
        ValueError: one of the texts is no network.
    """
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def check_address(ip: str, allowed: Sequence[IPNetwork] = ()) -> bool:
    """Return whether a request may connect to the address `ip`: it is public, or in one of the `allowed` networks.

    An IPv6 address that contains an IPv4 address (mapped, 6to4, NAT64) is judged by the IPv4 address.

    >>> check_address("93.184.215.14")
    True
    >>> check_address("::ffff:10.0.0.1")
    False
    """
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    address = _effective(address)
    if any(address.version == network.version and address in network for network in allowed):
        return True
    return _is_public(address)


def literal_address(host: str) -> str | None:
    """Return the IP address that `host` spells, in any form that resolvers accept; None: `host` is a name.

    >>> literal_address("0x7f.1"), literal_address("2130706433"), literal_address("[::1]"), literal_address("a.example")
    ('127.0.0.1', '127.0.0.1', '::1', None)
    """
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        return str(ipaddress.IPv4Address(socket.inet_aton(bare.removesuffix("."))))
    except (OSError, ValueError):
        return None


def _effective(address: IPAddress) -> IPAddress:
    """Return the IPv4 address in a mapped, 6to4 or NAT64 address; any other address unchanged."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: IPAddress) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if any(address.version == network.version and address in network for network in _SPECIAL):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _GLOBAL_UNICAST


def system_lookup(host: str, port: int) -> tuple[str, ...]:
    """Return the IP addresses that the system's resolver gives for `host`, in its order, each once.

    Raises:
        OSError: the name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """Looks up host names in a few threads of its own, because `getaddrinfo` has no time limit.

    The threads are daemons: a look-up that hangs does not delay the end of the process. A thread starts when it is
    first needed. Callers that ask for the same name and port at the same time share one look-up.
    """

    def __init__(self, lookup: Lookup = system_lookup, threads: int = _LOOKUP_THREADS) -> None:
        self._lookup = lookup
        self._limit = threads
        self._tasks: queue.SimpleQueue[tuple[str, int, Future[tuple[str, ...]]] | None] = queue.SimpleQueue()
        self._living: dict[str, str] = {}
        self._pending: dict[tuple[str, int], Future[tuple[str, ...]]] = {}
        self._lock = threading.Lock()
        self._threads = 0
        self._closed = False

    def resolve(self, host: str, port: int, allowed: Sequence[IPNetwork], timeout: float) -> tuple[str, ...]:
        """Return the addresses of `host`, all checked, within `timeout` seconds; `allowed` as in `check_address`.

        The address that accepted the last connection comes first, so an address that never answers delays only one
        request. If one address is forbidden, the name is refused: a name with public and private addresses is a sign
        of an attack.

        Raises:
            NetworkError: the name has no address or does not resolve in time, or an address is forbidden.
        """
        literal = literal_address(host)
        addresses = (literal,) if literal is not None else self._ask(host, port, timeout)
        if not addresses:
            raise NetworkError(Cause.DNS, f"{host}: has no address")
        for address in addresses:
            if not check_address(address, allowed):
                allow = f'"{address}" in [http] allow_private_networks allows it'
                raise NetworkError(Cause.FORBIDDEN_ADDRESS, f"{host}: {address} is not public; {allow}")
        living = self._living.get(host)
        return tuple(sorted(addresses, key=lambda address: address != living))

    def note_living(self, host: str, address: str) -> None:
        """Remember the address of `host` that has accepted a connection; `resolve` returns it first from now on."""
        if len(self._living) >= _MAX_LIVING:
            self._living.clear()
        self._living[host] = address

    def close(self) -> None:
        """End all look-ups: waiting callers get an error at once, and each thread ends after its present look-up."""
        with self._lock:
            self._closed = True
            for _ in range(self._threads):
                self._tasks.put(None)
            for future in self._pending.values():
                future.cancel()
            self._pending.clear()

    def _ask(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        future, done = self._submit(host, port), PipeEvent()
        future.add_done_callback(lambda _: done.set())
        done.wait(timeout)
        try:
            return future.result(0)
        except (TimeoutError, CancelledError) as error:
            raise NetworkError(Cause.DNS, f"{host}: no answer from the resolver in time") from error
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a valid name"
            raise NetworkError(Cause.DNS, f"{host}: {reason}") from error

    def _submit(self, host: str, port: int) -> Future[tuple[str, ...]]:
        key = (host.lower(), port)
        with self._lock:
            future = self._pending.get(key)
            if self._closed:
                future = Future()
                future.cancel()
            elif future is None:
                future = self._pending[key] = Future()
                self._tasks.put((host, port, future))
                if len(self._pending) > self._threads and self._threads < self._limit:
                    self._threads += 1
                    threading.Thread(target=self._serve, name="resolver", daemon=True).start()
            return future

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            host, port, future = task
            addresses, failure = self._look_up(host, port)
            with self._lock:
                if not future.cancelled():
                    del self._pending[host.lower(), port]
                    if failure is None:
                        future.set_result(addresses)
                    else:
                        future.set_exception(failure)

    def _look_up(self, host: str, port: int) -> tuple[tuple[str, ...], Exception | None]:
        try:
            return tuple(self._lookup(host, port)), None
        except (OSError, UnicodeError) as error:
            return (), error
