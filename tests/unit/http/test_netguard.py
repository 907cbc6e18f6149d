import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.http.netguard import (
    IPNetwork,
    NetworkError,
    Resolver,
    check_address,
    literal_address,
    parse_networks,
    system_lookup,
)
from aggregator.models.fetching import Cause

STRICT: tuple[IPNetwork, ...] = ()
LOOPBACK = parse_networks(["127.0.0.0/8", "::1/128"])


@pytest.mark.parametrize(
    "ip",
    [
        "1.1.1.1",
        "93.184.215.14",
        "2606:4700::1111",
        "2a00:1450:4001:80b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_public_addresses_are_allowed(ip: str) -> None:
    assert check_address(ip, STRICT)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "3fff::1",
        "4000::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "no address",
        "",
    ],
)
def test_other_addresses_are_forbidden(ip: str) -> None:
    assert not check_address(ip, STRICT)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "8.8.8.8"])
def test_allowed_networks_are_reachable_in_every_form(ip: str) -> None:
    assert check_address(ip, LOOPBACK)


@pytest.mark.parametrize("ip", ["10.0.0.1", "::2", "fe80::1"])
def test_allowed_networks_open_nothing_else(ip: str) -> None:
    assert not check_address(ip, LOOPBACK)


@given(st.ip_addresses(v=4))
def test_ipv4_within_ipv6_is_judged_alike(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    expected = check_address(str(address), STRICT)
    assert check_address(str(ipaddress.IPv6Address((0xFFFF << 32) | number)), STRICT) == expected
    assert check_address(str(ipaddress.IPv6Address((0x64FF9B << 96) | number)), STRICT) == expected
    assert check_address(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)), STRICT) == expected


@given(st.ip_addresses())
def test_what_is_not_global_is_never_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if check_address(str(address), STRICT) and isinstance(address, ipaddress.IPv4Address):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_spellings_of_an_address_are_seen_through(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    octets = [number >> shift & 255 for shift in (24, 16, 8, 0)]
    spellings = (
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        ".".join(hex(octet) for octet in octets),
        ".".join(f"0{octet:o}" for octet in octets),
        f"{octets[0]}.{number & 0xFFFFFF}",
        f"{address}.",
    )
    assert {literal_address(spelling) for spelling in spellings} == {str(address)}


@given(st.text())
def test_any_text_is_an_address_or_a_name(text: str) -> None:
    literal = literal_address(text)
    assert literal is None or ipaddress.ip_address(literal)


def test_a_malformed_network_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        parse_networks(["10.0.0.0/8", "home"])


def cause_of(resolver: Resolver, host: str, allowed: tuple[IPNetwork, ...] = LOOPBACK, timeout: float = 5) -> Cause:
    with pytest.raises(NetworkError) as caught:
        resolver.resolve(host, 80, allowed, timeout)
    assert host in caught.value.detail
    return caught.value.cause


def test_resolve_returns_every_address_in_order() -> None:
    resolver = Resolver(lambda host, port: ["1.1.1.1", "2606:4700::1111"])
    assert resolver.resolve("a.example", 80, STRICT, 5) == ("1.1.1.1", "2606:4700::1111")
    resolver.close()


def test_one_forbidden_address_condemns_the_name() -> None:
    resolver = Resolver(lambda host, port: ["1.1.1.1", "10.0.0.1"])
    assert cause_of(resolver, "a.example") is Cause.FORBIDDEN_ADDRESS
    assert resolver.resolve("a.example", 80, parse_networks(["0.0.0.0/0"]), 5) == ("1.1.1.1", "10.0.0.1")
    resolver.close()


def test_a_literal_needs_no_lookup() -> None:
    def lookup(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    resolver = Resolver(lookup)
    assert resolver.resolve("2130706433", 80, LOOPBACK, 5) == ("127.0.0.1",)
    assert cause_of(resolver, "0x0a000001") is Cause.FORBIDDEN_ADDRESS


def test_names_without_answer_have_a_cause() -> None:
    def lookup(host: str, port: int) -> list[str]:
        if host == "empty.example":
            return []
        if host == "odd.example":
            raise UnicodeError("label too long")
        raise OSError(-2, "Name or service not known")

    resolver = Resolver(lookup)
    assert cause_of(resolver, "empty.example") is Cause.DNS
    assert cause_of(resolver, "odd.example") is Cause.DNS
    assert cause_of(resolver, "gone.example") is Cause.DNS
    resolver.close()


def test_a_hanging_lookup_holds_up_neither_caller_nor_others() -> None:
    done = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        if host == "slow.example":
            done.wait(20)
        return ["127.0.0.1"]

    resolver = Resolver(lookup, threads=2)
    assert cause_of(resolver, "slow.example", timeout=0.01) is Cause.DNS
    assert cause_of(resolver, "slow.example", timeout=0.01) is Cause.DNS  # shares the look-up that hangs
    assert resolver.resolve("quick.example", 80, LOOPBACK, 5) == ("127.0.0.1",)
    done.set()
    assert resolver.resolve("slow.example", 80, LOOPBACK, 5) == ("127.0.0.1",)
    resolver.close()


def test_names_asked_at_once_share_a_lookup_and_the_threads() -> None:
    asked: list[str] = []
    go = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        go.wait(20)
        return ["127.0.0.1"]

    others = {*threading.enumerate()}  # a resolver that was closed before may still be at its end
    resolver = Resolver(lookup, threads=2)
    hosts = [f"{number % 5}.example" for number in range(20)]
    callers = [threading.Thread(target=resolver.resolve, args=(host, 80, LOOPBACK, 20)) for host in hosts]
    for caller in callers:
        caller.start()
    go.set()
    for caller in callers:
        caller.join(20)
    assert not any(caller.is_alive() for caller in callers)
    assert {*asked} == {*hosts}
    assert sum(thread.name == "resolver" for thread in {*threading.enumerate()} - others) <= 2
    resolver.close()


def test_close_wakes_the_callers() -> None:
    started, done = threading.Event(), threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        started.set()
        done.wait(20)
        return ["127.0.0.1"]

    resolver = Resolver(lookup)
    closer = threading.Thread(target=lambda: (started.wait(20), resolver.close()))
    closer.start()
    assert cause_of(resolver, "slow.example", timeout=20) is Cause.DNS
    assert cause_of(resolver, "late.example", timeout=20) is Cause.DNS
    done.set()
    closer.join(20)


def test_the_system_resolves_this_machine() -> None:
    assert set(system_lookup("localhost", 80)) <= {"127.0.0.1", "::1"}
