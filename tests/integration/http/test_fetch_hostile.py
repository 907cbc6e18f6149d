import gzip
import resource
import threading
import zlib
from datetime import timedelta
from random import Random

import brotli
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from aggregator.compression import zstd
from aggregator.http.endpoint import parse_endpoint
from aggregator.http.fetch import FetchLimits, HttpFetcher
from aggregator.http.netguard import check_address, literal_address, parse_networks, system_lookup
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, NotModified, Redirected, Validators
from aggregator.selftest.safety import SAFETY, bombs
from aggregator.selftest.scenario import ScenarioClient
from aggregator.selftest.server import Peer, Server, head
from aggregator.selftest.tolerance import TOLERANCE
from tests.support.servers import new_fetcher

RESULTS = (Fetched, NotModified, Redirected, FetchFailed)
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("scenario", [*SAFETY, *TOLERANCE], ids=lambda scenario: scenario.requirement)
def test_hostile_servers(scenario) -> None:
    assert scenario.check(ScenarioClient(new_fetcher)) == ""


def test_bombs_stay_small() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert bombs(ScenarioClient(new_fetcher)) == ""
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000
    )  # KiB, the making of the bombs included


# --- anything at all --------------------------------------------------------------------------------------------------


class Anything:
    """A server that sends what it is told, and a fetcher that asks it."""

    def __init__(self) -> None:
        self.sends = b""
        self.server = Server(self._answer)
        self.fetcher = HttpFetcherOnLoopback()

    def _answer(self, peer: Peer) -> None:
        if peer.request.target == "/":
            peer.send(self.sends)
        else:
            peer.answer(body=b"elsewhere")

    def fetch(self, sends: bytes, validators: Validators) -> object:
        self.sends = sends
        return self.fetcher.fetch(
            FetchRequest(url=self.server.url(), validators=validators, max_bytes=10_000, deadline=timedelta(seconds=10))
        )


LOOPBACK = parse_networks(["127.0.0.0/8"])


def HttpFetcherOnLoopback() -> HttpFetcher:
    limits = FetchLimits(
        user_agent="aggregator",
        timeout=timedelta(seconds=5),
        total_timeout=timedelta(seconds=10),
        allow_private_networks=LOOPBACK,
    )
    return new_fetcher(limits, lambda host, port: [])


@pytest.fixture(scope="module")
def anything():
    threads = threading.active_count()
    anything = Anything()
    with anything.server:
        yield anything
        anything.fetcher.close()
    for thread in threading.enumerate():
        if thread.name == "resolver":
            thread.join(10)
    assert threading.active_count() <= threads  # no thread is lost


NAMES = st.sampled_from(
    [b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Location", b"ETag", b"Last-Modified",
     b"Connection", b"Retry-After", b"Cache-Control", b"Expires", b"Date", b"Age", b"Set-Cookie",
     b"Content-Type", b"Trailer", b"X"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        [b"chunked", b"gzip", b"br", b"zstd", b"deflate", b"close", b"keep-alive", b"0", b"-1", b"5", b"99999999999",
         b"/", b"/b", b"//", b"http://", b"max-age=1", b"Mon, 23 Nov 2026 10:00:00 GMT", b"http://127.0.0.1:1/"]
    ),
    st.binary(max_size=40),
)  # fmt: skip
STATUS = st.one_of(st.sampled_from([200, 200, 200, 301, 302, 304, 404, 410, 429, 503]), st.integers(-1, 1200))
VALIDATORS = st.builds(
    Validators, etag=st.none() | st.text(max_size=20), last_modified=st.none() | st.text(max_size=20)
)


@FUZZ
@given(
    status=STATUS,
    lines=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    body=st.binary(max_size=200),
    validators=VALIDATORS,
)
@example(status=200, lines=[(b"Transfer-Encoding", b"chunked")], body=b"-1\r\n\r\n", validators=Validators())
@example(
    status=200, lines=[(b"Transfer-Encoding", b"chunked")], body=b"ffffffffffffffffff\r\n", validators=Validators()
)
def test_any_headers_and_body_give_a_result(anything, status, lines, body, validators) -> None:
    sends = head(status, [name + b": " + value for name, value in lines]) + body
    assert isinstance(anything.fetch(sends, validators), RESULTS)


@FUZZ
@given(sends=st.binary(max_size=300))
def test_any_bytes_give_a_result(anything, sends) -> None:
    assert isinstance(anything.fetch(sends, Validators()), RESULTS)


@FUZZ
@given(location=st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)))
@example(location=b"http://[::1")
@example(location=b"http://\xf0\x9f\x92\xa9.example/")
@example(location=b"http://127.0.0.1:99999999999999999999/")
def test_any_location_gives_a_result(anything, location) -> None:
    sends = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    assert isinstance(anything.fetch(sends, Validators()), RESULTS)


def corpus() -> list[bytes]:
    page = b"<html><body>" + b"<p>News of the day.</p>" * 40 + b"</body></html>"
    packed = {
        b"gzip": gzip.compress(page), b"deflate": zlib.compress(page), b"br": brotli.compress(page),
        b"zstd": zstd.compress(page), b"gzip, br": brotli.compress(gzip.compress(page)),
    }  # fmt: skip
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(page[i : i + 99]), page[i : i + 99]) for i in range(0, len(page), 99))
    return [
        head(200, [b"Content-Length: %d" % len(page), 'ETag: "x"', "Cache-Control: max-age=60, public"]) + page,
        head(200, ["Transfer-Encoding: chunked"]) + chunks + b"0\r\nTrailer: x\r\n\r\n",
        head(302, ["Location: /elsewhere?a=b#c", "Content-Length: 0", "Retry-After: 120"]),
        head(103, ["Link: </x>"]) + head(304, ['ETag: "y"', "Expires: Mon, 23 Nov 2026 11:00:00 GMT"]),
        *(head(200, [b"Content-Encoding: " + coding, b"Content-Length: %d" % len(body)]) + body
          for coding, body in packed.items()),
    ]  # fmt: skip


def mutate(data: bytes, random: Random) -> bytes:
    mutated = bytearray(data)
    for _ in range(random.randint(1, 6)):
        start = random.randrange(len(mutated) + 1)
        match random.randrange(4):
            case 0:
                mutated[start : start + 1] = random.randbytes(1)
            case 1:
                del mutated[start : start + random.randint(1, 20)]
            case 2:
                mutated[start:start] = random.choice([b"\r\n", b"\0", b"\xff", b":", b"-1", b"9" * 12, b"\n\n"])
            case _:
                mutated[start:start] = mutated[start : start + random.randint(1, 40)]
    return bytes(mutated)


@pytest.mark.parametrize("rounds", [500, pytest.param(50_000, marks=pytest.mark.soak)])
def test_mutated_answers_give_a_result(anything, rounds: int) -> None:
    random, answers = Random(rounds), corpus()
    for _ in range(rounds):
        sends = mutate(random.choice(answers), random)
        assert isinstance(anything.fetch(sends, Validators(etag='"x"')), RESULTS), sends


@given(url=st.one_of(st.text(), st.text().map("http://".__add__)))
def test_any_url_gives_a_result(url: str) -> None:
    asked = parse_endpoint(url)
    address = None if asked is None else literal_address(asked.host)
    assume(address is None or not check_address(address, LOOPBACK))  # 64:ff9b::7f00:1 is, too
    fetcher = HttpFetcherOnLoopback()
    try:
        result = fetcher.fetch(FetchRequest(url=url, max_bytes=1000, deadline=timedelta(seconds=5)))
    finally:
        fetcher.close()
    assert isinstance(result, FetchFailed)
    assert result.cause in (Cause.BAD_URL, Cause.DNS, Cause.FORBIDDEN_ADDRESS, Cause.CONNECT)


def test_system_lookup_is_what_is_used_by_default() -> None:
    with Server(lambda peer: peer.answer(body=b"x")) as server:
        fetcher = new_fetcher(
            FetchLimits(user_agent="aggregator", allow_private_networks=parse_networks(["127.0.0.0/8", "::1/128"])),
            system_lookup,
        )
        result = fetcher.fetch(
            FetchRequest(url=server.url(host="localhost"), max_bytes=1000, deadline=timedelta(seconds=5))
        )
        fetcher.close()
    assert isinstance(result, Fetched)
