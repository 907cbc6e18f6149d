import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from aggregator.http.fetch import FetchLimits, HttpFetcher
from aggregator.http.netguard import Lookup, parse_networks, system_lookup
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult, Hop, Redirected
from aggregator.selftest import run_selftest
from aggregator.selftest.politeness import POLITENESS
from aggregator.selftest.scenario import ScenarioClient
from aggregator.selftest.server import Peer, Server, head
from tests.support.servers import FixedClock, new_fetcher, serve_tls, tunnel

FEED = b"<rss/>"
LOOPBACK = parse_networks(["127.0.0.0/8"])


def limits(**others: object) -> FetchLimits:
    given: dict[str, object] = {
        "user_agent": "aggregator/0 (+https://example.org/)",
        "timeout": timedelta(seconds=5),
        "total_timeout": timedelta(seconds=10),
        "allow_private_networks": LOOPBACK,
    }
    return FetchLimits(**{**given, **others})  # type: ignore[arg-type]


def ask(url: str, **others: object) -> FetchRequest:
    given: dict[str, object] = {"max_bytes": 1 << 20, "deadline": timedelta(seconds=10)}
    return FetchRequest(url=url, **{**given, **others})  # type: ignore[arg-type]


def fetch(url: str, *, lookup: Lookup = system_lookup, ca_file: Path | None = None, **others: object) -> FetchResult:
    fetcher = new_fetcher(limits(**others), lookup, ca_file)
    try:
        return fetcher.fetch(ask(url))
    finally:
        fetcher.close()


def here(host: str, port: int) -> list[str]:
    """Every name means this machine."""
    return ["127.0.0.1"]


@pytest.mark.parametrize("scenario", POLITENESS, ids=lambda scenario: scenario.requirement)
def test_manners(scenario) -> None:
    assert scenario.check(ScenarioClient(new_fetcher)) == ""


def test_the_selftest_scores_every_scenario() -> None:
    scores = run_selftest(new_fetcher)
    assert [score for score in scores if not score.passed] == []
    assert len({score.name for score in scores}) == len(scores) >= 50


def test_the_selftest_tells_what_went_wrong() -> None:
    class Careless(HttpFetcher):
        def fetch(self, request: FetchRequest) -> FetchResult:
            return Redirected(url=request.url, target=request.url, hops=(), elapsed=timedelta(0))

    scores = run_selftest(lambda given, lookup: Careless(given, FixedClock(), lookup=lookup))
    assert all(score.detail for score in scores if not score.passed)
    assert sum(not score.passed for score in scores) > 40


def test_what_the_selftest_cannot_try_is_said() -> None:
    def factory(given: FetchLimits, lookup: Lookup) -> HttpFetcher:
        raise OSError("no loopback")

    scores = run_selftest(factory)
    assert {score.detail for score in scores} == {"could not be tried: no loopback"}
    assert not any(score.passed for score in scores)


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def test_a_trusted_server_is_read_under_its_name(authority: trustme.CA, ca_file: Path) -> None:
    with Server(lambda peer: peer.answer(body=FEED), tls=serve_tls("a.example", authority=authority)) as server:
        result = fetch(server.url(host="a.example"), lookup=here, ca_file=ca_file)
    assert isinstance(result, Fetched), result
    assert result.body == FEED
    assert server.requests[0].header("Host") == f"a.example:{server.port}"


def test_a_self_signed_server_has_a_clear_cause(authority: trustme.CA) -> None:
    with Server(lambda peer: peer.answer(body=FEED), tls=serve_tls("a.example", authority=authority)) as server:
        result = fetch(server.url(host="a.example"), lookup=here)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.TLS
    assert result.detail.startswith("a.example: certificate not accepted: ")
    assert "certificate" in result.detail
    assert not server.requests


def test_a_certificate_for_another_name_is_not_accepted(authority: trustme.CA, ca_file: Path) -> None:
    with Server(lambda peer: peer.answer(body=FEED), tls=serve_tls("b.example", authority=authority)) as server:
        result = fetch(server.url(host="a.example"), lookup=here, ca_file=ca_file)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.TLS
    assert "a.example" in result.detail


def test_a_dripping_body_over_tls_ends_in_time(authority: trustme.CA, ca_file: Path) -> None:
    def script(peer: Peer) -> None:
        peer.send(head(200, ["Content-Length: 500"]))
        peer.drip(bytes(500), 0.05)

    with Server(script, tls=serve_tls("a.example", authority=authority)) as server:
        url = server.url(host="a.example")
        result = fetch(url, lookup=here, ca_file=ca_file, total_timeout=timedelta(seconds=1))
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.TIMEOUT
    assert result.elapsed < timedelta(seconds=5)


def test_a_plain_server_behind_https_is_a_tls_error() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(100_000)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        result = fetch(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(10)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.TLS


def test_credentials_do_not_leave_tls(authority: trustme.CA, ca_file: Path) -> None:
    def script(peer: Peer) -> None:
        peer.redirect(plain.url("/plain", host="a.example"))

    # One name on two ports is two hosts; on the default ports it is one, which `may_keep_credentials` decides.
    with (
        Server(lambda peer: peer.answer(body=FEED)) as plain,
        Server(script, tls=serve_tls("a.example", authority=authority)) as server,
    ):
        url = server.url(host="a.example").replace("//", "//me:secret@")
        result = fetch(url, lookup=here, ca_file=ca_file)
    assert isinstance(result, Fetched)
    assert server.requests[0].has_header("Authorization")
    assert not plain.requests[0].has_header("Authorization")


# --- proxies ----------------------------------------------------------------------------------------------------------


def test_https_goes_through_a_tunnel_to_the_checked_address(authority: trustme.CA, ca_file: Path) -> None:
    with (
        Server(lambda peer: peer.answer(body=FEED), tls=serve_tls("a.example", authority=authority)) as server,
        Server(tunnel) as proxy,
    ):
        result = fetch(server.url(host="a.example"), lookup=here, ca_file=ca_file, proxy=proxy.url(""))
        asked = proxy.requests[0]
    assert isinstance(result, Fetched), result
    assert (asked.method, asked.target) == ("CONNECT", f"127.0.0.1:{server.port}")
    assert server.requests[0].target == "/"


def test_a_tunnel_to_a_forbidden_address_is_not_asked_for() -> None:
    with Server(tunnel) as proxy:
        for proxy_resolves in (False, True):
            result = fetch("https://10.0.0.1/", proxy=proxy.url(""), proxy_resolves=proxy_resolves)
            assert isinstance(result, FetchFailed)
            assert result.cause is Cause.FORBIDDEN_ADDRESS
        assert proxy.connections == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_only_the_proxy_knows_says_so(scheme: str) -> None:
    def unknown(host: str, port: int) -> tuple[str, ...]:
        raise OSError(-2, "Name or service not known")

    with Server(lambda peer: peer.answer(body=FEED)) as proxy:
        result = fetch(f"{scheme}://inside.example/feed", lookup=unknown, proxy=proxy.url(""))
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.DNS
    assert result.detail.endswith("; if only the proxy resolves names, set [http] proxy_resolves = true")


def test_a_proxy_that_resolves_is_asked_by_name() -> None:
    with Server(lambda peer: peer.answer(body=FEED)) as proxy:
        others = {"proxy": proxy.url(""), "proxy_resolves": True, "allow_private_networks": ()}
        result = fetch("http://a.example:81/x?y", **others)
        for host in ("127.0.0.1", "localhost", "a.localhost", "0x7f.1", "[::1]"):
            refused = fetch(f"http://{host}/", **others)
            assert isinstance(refused, FetchFailed)
            assert refused.cause is Cause.FORBIDDEN_ADDRESS
    assert isinstance(result, Fetched)
    assert [asked.target for asked in proxy.requests] == ["http://a.example:81/x?y"]
    assert proxy.requests[0].header("Host") == "a.example:81"


def test_a_proxy_that_resolves_gets_tunnels_by_name(authority: trustme.CA, ca_file: Path) -> None:
    def script(peer: Peer) -> None:
        assert peer.request.target == "a.example:443"
        peer.answer(403, b"no")

    with Server(script) as proxy:
        result = fetch("https://a.example/", ca_file=ca_file, proxy=proxy.url(""), proxy_resolves=True)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.PROXY
    assert "403" in result.detail


def test_credentials_of_the_proxy_go_to_the_proxy() -> None:
    with Server(lambda peer: peer.answer(body=FEED)) as proxy:
        url = proxy.url("").replace("//", "//me:secret@")
        result = fetch("http://a.example/", proxy=url, proxy_resolves=True)
    assert isinstance(result, Fetched)
    assert proxy.requests[0].header("Proxy-Authorization") == "Basic bWU6c2VjcmV0"


def test_a_proxy_that_is_not_there_has_a_cause() -> None:
    with Server(tunnel) as proxy:
        url = proxy.url("")
    for target in ("http://a.example/", "https://a.example/"):
        result = fetch(target, proxy=url, proxy_resolves=True)
        assert isinstance(result, FetchFailed)
        assert result.cause is Cause.PROXY
    result = fetch("http://a.example/", lookup=lambda host, port: [], proxy="http://p.example:1", proxy_resolves=True)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.PROXY


def test_an_ipv6_address_is_asked_of_the_proxy_in_brackets() -> None:
    with Server(lambda peer: peer.answer(body=FEED)) as proxy:
        result = fetch(
            "http://six.example:81/x",
            lookup=lambda host, port: ["2606:4700::1111"],
            proxy=proxy.url(""),
        )
    assert isinstance(result, Fetched)
    assert proxy.requests[0].target == "http://[2606:4700::1111]:81/x"


def test_environment_and_netrc_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    with (
        Server(lambda peer: peer.answer(body=b"proxy")) as proxy,
        Server(lambda peer: peer.answer(body=FEED)) as server,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        result = fetch(server.url())
    assert isinstance(result, Fetched)
    assert result.body == FEED
    assert proxy.connections == 0
    assert not server.requests[0].has_header("Authorization")


# --- connections ------------------------------------------------------------------------------------------------------


def test_the_next_address_is_tried_when_the_first_refuses() -> None:
    with Server(lambda peer: peer.answer(body=FEED), host="127.0.0.2") as server:
        result = fetch(server.url(host="a.example"), lookup=lambda host, port: ["127.0.0.3", "127.0.0.2"])
    assert isinstance(result, Fetched)


@contextmanager
def swallowing(host: str, port: int) -> Iterator[None]:
    """Listen with a full queue: a client that connects waits for an answer that never comes."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((host, port))
        yield


def test_dead_addresses_leave_the_living_one_its_share_of_the_time() -> None:
    """Five that swallow what is sent, before the one that lives: all of them together take the time of one."""
    dead = ["127.0.0.1", "127.0.0.3"]
    with Server(lambda peer: peer.answer(body=FEED, keep=False), host="127.0.0.2") as server, ExitStack() as stack:
        for address in dead:
            stack.enter_context(swallowing(address, server.port))
        given = limits(timeout=timedelta(seconds=2.4), total_timeout=timedelta(seconds=3.2))
        fetcher = new_fetcher(given, lambda host, port: [*dead, *dead, dead[0], "127.0.0.2"])
        first, second = (fetcher.fetch(ask(server.url(host="a.example"))) for _ in range(2))
        fetcher.close()
    assert isinstance(first, Fetched)
    assert isinstance(second, Fetched)
    assert second.elapsed < first.elapsed / 2  # what lived before is asked first


def test_a_proxy_that_closed_its_kept_connection_is_asked_once_more() -> None:
    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.reset()
        else:
            peer.answer(body=FEED)

    with Server(script) as proxy:
        fetcher = new_fetcher(limits(proxy=proxy.url("")), here)
        results = [fetcher.fetch(ask("http://a.example/")) for _ in range(2)]
        fetcher.close()
        assert proxy.connections == 2
    assert all(isinstance(result, Fetched) for result in results)


def test_a_port_where_nobody_listens() -> None:
    with Server(tunnel) as server:
        url = server.url()
    result = fetch(url)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.CONNECT
    assert "refused" in result.detail


def test_many_threads_share_a_fetcher() -> None:
    fetcher = new_fetcher(limits(), system_lookup)
    with Server(lambda peer: peer.answer(body=peer.request.target.encode())) as server:
        with ThreadPoolExecutor(16) as pool:
            results = list(pool.map(lambda n: fetcher.fetch(ask(server.url(f"/{n}"))), range(300)))
        connections = server.connections
        fetcher.close()
    assert [result.body for result in results if isinstance(result, Fetched)] == [b"/%d" % n for n in range(300)]
    assert connections < 150


def test_an_answer_that_nobody_wanted_keeps_its_connection() -> None:
    def script(peer: Peer) -> None:
        peer.answer(404, b"x" * 20_000)

    fetcher = new_fetcher(limits(), system_lookup)
    with Server(script) as server:
        for _ in range(3):
            assert isinstance(fetcher.fetch(ask(server.url())), FetchFailed)
        assert server.connections == 1
        fetcher.close()


def test_a_closed_fetcher_fetches_nothing() -> None:
    fetcher = new_fetcher(limits(), here)
    fetcher.close()
    for url in ("http://127.0.0.1:9/", "http://a.example/"):
        result = fetcher.fetch(ask(url))
        assert isinstance(result, FetchFailed)
        assert result.detail == "stopped"


# --- limits and records -----------------------------------------------------------------------------------------------


def test_robots_txt_is_cut_and_not_refused_for_its_size() -> None:
    def script(peer: Peer) -> None:
        peer.answer(body=b"x" * 1000)

    fetcher = new_fetcher(limits(), system_lookup)
    with Server(script) as server:
        result = fetcher.fetch(ask(server.url("/robots.txt"), accept="robots", max_bytes=100))
        assert isinstance(result, Fetched)
        assert result.body == b"x" * 100
        assert server.requests[0].header("Accept") == "text/plain, */*;q=0.5"
        fetcher.close()


def test_robots_txt_is_followed_over_five_redirects() -> None:
    with Server(lambda peer: peer.redirect(f"/{peer.number}")) as server:
        fetcher = new_fetcher(limits(), system_lookup)
        result = fetcher.fetch(ask(server.url(), accept="robots"))
        fetcher.close()
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.TOO_MANY_REDIRECTS
    assert len(server.requests) == 6


@pytest.mark.parametrize(("accept", "size", "cause"), [("feed", 300, Cause.TOO_LARGE), ("page", 300, None)])
def test_feeds_and_pages_have_limits_of_their_own(accept: str, size: int, cause: Cause | None) -> None:
    fetcher = new_fetcher(limits(max_feed_bytes=200, max_page_bytes=400), system_lookup)
    with Server(lambda peer: peer.answer(body=bytes(size))) as server:
        result = fetcher.fetch(ask(server.url(), accept=accept))
        fetcher.close()
    assert getattr(result, "cause", None) is cause


def test_a_loop_through_hops_of_an_earlier_visit_is_seen() -> None:
    with Server(lambda peer: peer.redirect("/old")) as server:
        hops = (Hop(url=server.url("/old"), status=302, target=server.url("/now")),)
        fetcher = new_fetcher(limits(), system_lookup)
        result = fetcher.fetch(ask(server.url("/now"), hops=hops))
        fetcher.close()
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.REDIRECT_LOOP
    assert result.hops == hops


def test_a_failure_tells_where_it_happened() -> None:
    with Server(lambda peer: peer.answer(410, b"gone", ["Retry-After: 60"])) as gone:
        with Server(lambda peer: peer.redirect(gone.url("/x"), 301)) as server:
            result = fetch(server.url())
        assert isinstance(result, FetchFailed)
        assert (result.cause, result.status, result.final_url) == (Cause.GONE, 410, gone.url("/x"))
        assert result.retry_after == timedelta(minutes=1)
        assert result.hops == (Hop(url=server.url(), status=301, target=gone.url("/x")),)


def test_repeated_headers_are_joined_and_cookies_left_out() -> None:
    headers = ("Link: <a>", "Link: <b>", "Set-Cookie: x=y", 'ETag: "first"', 'ETag: "second"')
    with Server(lambda peer: peer.answer(body=FEED, headers=headers)) as server:
        result = fetch(server.url())
    assert isinstance(result, Fetched)
    assert result.headers["link"] == "<a>, <b>"
    assert "set-cookie" not in result.headers
    assert result.validators.etag == '"first"'


def test_validators_that_cannot_be_sent_are_not() -> None:
    from aggregator.models.fetching import Validators

    odd = Validators(etag='"a\r\nX: injected"', last_modified="\u20ac")
    with Server(lambda peer: peer.answer(body=FEED)) as server:
        fetcher = new_fetcher(limits(), system_lookup)
        assert isinstance(fetcher.fetch(ask(server.url(), validators=odd)), Fetched)
        fetcher.close()
    assert not any(server.requests[0].has_header(name) for name in ("If-None-Match", "If-Modified-Since", "X"))


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "file:///etc/passwd", "http://a.example:0/", "http://[/"])
def test_what_is_no_address_fails_as_such(url: str) -> None:
    result = fetch(url)
    assert isinstance(result, FetchFailed)
    assert result.cause is Cause.BAD_URL


def test_a_connection_that_was_quiet_for_long_is_not_used_again() -> None:
    class Later(FixedClock):
        offset = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.offset

    clock = Later()
    fetcher = HttpFetcher(limits(), clock)
    with Server(lambda peer: peer.answer(body=FEED)) as server:
        for clock.offset in (0.0, 1.0, 100.0):
            assert isinstance(fetcher.fetch(ask(server.url())), Fetched)
        assert server.connections == 2
        fetcher.close()


def test_tunnels_are_kept_and_replaced_too(authority: trustme.CA, ca_file: Path) -> None:
    def script(peer: Peer) -> None:
        peer.answer(body=FEED, keep=peer.number != 1)

    with Server(script, tls=serve_tls("a.example", authority=authority)) as server, Server(tunnel) as proxy:
        fetcher = new_fetcher(limits(proxy=proxy.url("")), here, ca_file)
        for _ in range(4):
            assert isinstance(fetcher.fetch(ask(server.url(host="a.example"))), Fetched)
        assert len(server.requests) == 4
        assert proxy.connections == 2
        fetcher.close()
