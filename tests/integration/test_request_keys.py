"""The request keys of feeds and hosts: where their secrets go, and that nothing shows them."""

from __future__ import annotations

import base64
import json
import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest
import requests
import trustme

from aggregator.app import open_app, reload_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.selftest.server import Peer, Script, Server, head
from aggregator.store import open_store
from aggregator.web.application import create_app
from aggregator.web.listening import listen
from aggregator.web.server import RunningServer
from tests.support.citizen import Site, answering, item, rss
from tests.support.command import Called, call
from tests.support.pool import PoolHere
from tests.support.servers import serve_tls
from tests.support.website import state_over

SECRET = "s3cr3t-of-the-feed"
FEED = (
    b"<rss version='2.0'><channel><title>Own</title><item><title>Inside</title><guid isPermaLink='false'>1</guid>"
    b"<description>The text that stands behind a door, and is long enough to be one.</description>"
    b"</item></channel></rss>"
)
CREDENTIALS = {
    "basic": 'username = "me"\npassword = "env:FEED_SECRET"',
    "bearer": 'bearer = "file:secret.txt"',
    "header": 'headers = { X-Key = "env:FEED_SECRET", Accept-Language = "de" }',
    "cookie": 'cookies = { session = "env:FEED_SECRET" }',
}
SPELLED = (SECRET, base64.b64encode(f"me:{SECRET}".encode()).decode())


@pytest.fixture(autouse=True)
def secret(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_SECRET", SECRET)
    shutil.copy(sqlite_template, tmp_path / "a.db")
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")


def configure(folder: Path, *feeds: str, hosts: str = "") -> Path:
    path = folder / "aggregator.toml"
    path.write_text(
        '[storage]\nurl = "sqlite:///a.db"\nmin_free = "0"\n[http]\ncontact = "me@reader.example"\n'
        'per_host_interval = "0s"\nallow_private_networks = ["127.0.0.0/8"]\n[web]\nlisten = ""\n'
        + f"{hosts}\n"
        + "".join(f"[[feeds]]\n{feed}\n" for feed in feeds),
        encoding="utf-8",
    )
    return path


def answer(peer: Peer) -> None:
    peer.send(head(200, [f"Content-Length: {len(FEED)}"]) + FEED)


def redirect_to(target: str) -> Script:
    def script(peer: Peer) -> None:
        if peer.request.target == "/feed":
            peer.send(head(302, ["Content-Length: 0", f"Location: {target}"]))
        else:
            answer(peer)

    return script


def carries_secret(server: Server) -> list[bool]:
    return [any(word in str(request.headers) for word in SPELLED) for request in server.requests]


def run(config: Path) -> Called:
    return call("run-once", "--all", "--json", "--config", config)


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_a_feed_behind_a_door_is_read(tmp_path: Path, kind: str) -> None:
    with Server(answer) as server:
        config = configure(tmp_path, f'url = "{server.url("/feed")}"\nfull_text = false\n{CREDENTIALS[kind]}')
        assert run(config).records[0]["feeds"]["failed"] == 0
    assert carries_secret(server) == [True]
    assert [record["title"] for record in call("export", "--config", config).records] == ["Inside"]


@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("where", ["host", "port", "scheme"])
def test_no_secret_follows_a_redirect_elsewhere(tmp_path: Path, kind: str, where: str) -> None:
    tls = serve_tls("127.0.0.1", authority=trustme.CA()) if where == "scheme" else None
    with (
        Server(answer, host="127.0.0.2" if where == "host" else "127.0.0.1", tls=tls) as other,
        Server(redirect_to(other.url("/elsewhere"))) as own,
    ):
        config = configure(tmp_path, f'url = "{own.url("/feed")}"\n{CREDENTIALS[kind]}')
        run(config)
        run(config)
    assert own.requests
    assert all(carries_secret(own))
    assert where == "scheme" or other.requests  # the certificate of the other one is nobody's
    assert not any(carries_secret(other))


def test_a_redirect_within_the_origin_keeps_them(tmp_path: Path) -> None:
    with Server(redirect_to("/moved")) as own:
        run(configure(tmp_path, f'url = "{own.url("/feed")}"\n{CREDENTIALS["bearer"]}'))
    assert [request.target for request in own.requests if request.target != "/robots.txt"] == ["/feed", "/moved"]
    assert all(carries_secret(own))


def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    with Server(answer) as server, Site() as site:
        feeds = [f'url = "{server.url(f"/{kind}")}"\nfull_text = false\n{keys}' for kind, keys in CREDENTIALS.items()]
        feeds += [f'url = "{site.url()}"\n{CREDENTIALS["header"]}']  # with a page, and its raw response
        config = configure(tmp_path, *feeds, hosts=f'[hosts."127.0.0.1:{server.port}"]\n{CREDENTIALS["cookie"]}')
        shown = [call(level, "run-once", "--all", "--config", config) for level in ("-v", "-vv")]
        url = server.url("/basic")
        for command in (
            ("config", "show"), ("config", "show", "--json"), ("config", "check"), ("feeds", "list"), ("health",),
            ("feeds", "export"), ("why", url), ("why", site.url("/a/1")), ("articles", "list"), ("export",),
            ("export", str(tmp_path / "set")), ("feeds", "test", url), ("plan",), ("gaps",),
            ("db", "backup", str(tmp_path / "backup.db")),
        ):  # fmt: skip
            shown.append(call(*command, "--config", config))
    assert len(server.requests) > len(CREDENTIALS)
    assert all(carries_secret(site.server))
    assert [one.err for one in shown if one.status] == []
    said = "".join(one.out + one.err for one in shown) + web_of(
        load_config(config, {"FEED_SECRET": SECRET}).storage.url
    )
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "secret.txt")
    for word in SPELLED:
        assert word not in said
        assert word.encode() not in kept


def web_of(url: str) -> str:
    """Return all that the page and the API show of a store."""
    store = open_store(url, SystemClock())
    said = []
    try:
        app = create_app(state_over(store))
        with RunningServer(app, listen("127.0.0.1", 0)) as server, requests.Session() as session:
            session.trust_env = False
            ids = [str(article.id) for article in store.articles()]
            paths = ["", "feeds", *(f"feeds/{feed.id}" for feed in store.feeds()), "articles", "metrics", "feed.atom"]
            paths += [f"articles/{one}" for one in ids] + [f"api/v1/{name}" for name in ("articles", "feeds", "health")]
            paths += [f"api/v1/articles/{one}" for one in ids]
            for path in paths:
                got = session.get(f"{server.url}{path}", timeout=10)
                assert got.status_code == 200, path
                said.append(got.text + str(got.headers))
    finally:
        store.close()
    return "".join(said)


# --- pages and hosts --------------------------------------------------------------------------------------------------


def test_a_page_gets_the_keys_of_the_feed_that_announced_it_first(tmp_path: Path) -> None:
    with Site(host="127.0.0.2") as other, Site() as own:
        own.feed = answering(rss(item("/a/1"), item(other.url("/a/2")), item("/a/3")))
        own.paths["/open"] = answering(rss(item("/a/1"), item("/a/4")))
        own.paths["/a/3"] = lambda peer: peer.redirect(other.url("/a/5"))
        feeds = [f'url = "{own.url()}"\n{CREDENTIALS["bearer"]}', f'url = "{own.url("/open")}"']
        run(configure(tmp_path, *feeds))
        run(configure(tmp_path, *feeds))
    carried = dict(zip([request.target for request in own.server.requests], carries_secret(own.server), strict=True))
    assert carried == {
        "/feed": True, "/open": False, "/robots.txt": False, "/a/1": True, "/a/3": True, "/a/4": False
    }  # fmt: skip
    assert {"/a/2", "/a/5"} <= {request.target for request in other.server.requests}
    assert not any(carries_secret(other.server))


def test_no_secret_comes_back_after_a_redirect_elsewhere(tmp_path: Path) -> None:
    with Site() as own, Site(host="127.0.0.2") as other:
        own.paths["/start"] = lambda peer: peer.redirect(other.url("/turn"))
        other.paths["/turn"] = lambda peer: peer.redirect(own.url("/back"))
        own.paths["/back"] = answering(rss())
        config = configure(tmp_path, f'url = "{own.url("/start")}"\n{CREDENTIALS["basic"]}')
        run(config)
        run(config)
    assert own.asked("/back")
    assert not any(word in str(request.headers) for request in own.asked("/back") for word in SPELLED)
    assert all(any(word in str(request.headers) for word in SPELLED) for request in own.asked("/start"))


def test_the_keys_of_a_host_hold_for_all_its_feeds(tmp_path: Path) -> None:
    with Site() as own, Site(host="127.0.0.2") as other:
        own.feed = answering(rss(item("/a/1"), item(other.url("/a/2"))))
        own.paths["/second"] = answering(rss(item("/a/3")))
        hosts = (
            f'[hosts."127.0.0.1"]\nuser_agent = "host/1"\nheaders = {{ X-Key = "env:FEED_SECRET", X-Both = "host" }}\n'
            f'[hosts."127.0.0.1:{own.server.port}"]\nuser_agent = "port/1"\n{CREDENTIALS["basic"]}\n'
        )
        second = f'url = "{own.url("/second")}"\nheaders = {{ x-both = "feed" }}\nbearer = "file:secret.txt"'
        run(configure(tmp_path, f'url = "{own.url()}"', second, hosts=hosts))
    sent = {request.target: dict(request.headers) for request in own.server.requests}
    assert {headers["User-Agent"] for target, headers in sent.items() if target != "/robots.txt"} == {"port/1"}
    assert {headers["X-Key"] for target, headers in sent.items() if target != "/robots.txt"} == {SECRET}
    assert sent["/feed"]["Authorization"] == sent["/a/1"]["Authorization"] == f"Basic {SPELLED[1]}"
    assert sent["/second"]["Authorization"] == sent["/a/3"]["Authorization"] == f"Bearer {SECRET}"
    assert sent["/feed"]["X-Both"] == "host"
    assert [value for name, value in sent["/second"].items() if name.lower() == "x-both"] == ["feed"]
    assert [request.target for request in other.server.requests] == ["/robots.txt", "/a/2"]
    assert not any(carries_secret(other.server))


def test_two_credentials_are_two_connections_at_one_pace(tmp_path: Path) -> None:
    times = []

    def noting(peer: Peer) -> None:
        times.append(time.monotonic())
        peer.answer(body=rss())

    with Server(noting) as server:
        feeds = [f'url = "{server.url(f"/{kind}")}"\nfull_text = false\n{CREDENTIALS[kind]}' for kind in CREDENTIALS]
        feeds[0] += '\nper_host_interval = "60ms"'
        feeds[1] += '\nper_host_interval = "150ms"'
        run(configure(tmp_path, *feeds, hosts='[hosts."127.0.0.1"]\nper_host_interval = "100ms"\n'))
    assert server.connections == len(times) == len(CREDENTIALS)
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.14


@pytest.mark.parametrize(
    ("of_feed", "of_host", "asked"),
    [("", "", []), ("respect_robots = false", "", ["/a/1"]), ("", "respect_robots = false", ["/a/1"])],
)
def test_robots_txt_is_obeyed_unless_feed_or_host_say_otherwise(
    tmp_path: Path, of_feed: str, of_host: str, asked: list[str]
) -> None:
    with Site() as site:
        site.paths["/robots.txt"] = lambda peer: peer.answer(body=b"User-agent: *\nDisallow: /\n")
        hosts = f'[hosts."127.0.0.1"]\n{of_host}\n' if of_host else ""
        run(configure(tmp_path, f'url = "{site.url()}"\n{of_feed}', hosts=hosts))
        assert site.pages == asked


def test_changed_keys_hold_after_a_reload(tmp_path: Path) -> None:
    feed = 'url = "{}"\nfull_text = false\nbearer = "file:secret.txt"\nheaders = {{ X-Note = "{}" }}'
    with Server(answer) as server:
        url = server.url("/feed")
        config = load_config(configure(tmp_path, feed.format(url, "one")), {})
        with open_app(config, pool=PoolHere()) as app:  # type: ignore[arg-type]
            app.run_once(force=True)
            same, changes = reload_app(app, load_config(config.path, {}))
            assert (changes, same.fetcher is app.fetcher) == ((), True)
            (tmp_path / "secret.txt").write_text("renewed", encoding="utf-8")
            app, changes = reload_app(same, load_config(config.path, {}))
            assert changes == (f"request keys of {url}",)
            app.run_once(force=True)
            configure(tmp_path, feed.format(url, "two"), hosts='[hosts."127.0.0.1"]\nper_host_interval = "1ms"\n')
            app, changes = reload_app(app, load_config(config.path, {}))
            assert changes == (f"request keys of {url}", "pace of 127.0.0.1")
            app.run_once(force=True)
            app.fetcher.close()
    sent = [(request.header("Authorization"), request.header("X-Note")) for request in server.requests]
    assert sent == [(f"Bearer {SECRET}", "one"), ("Bearer renewed", "one"), ("Bearer renewed", "two")]


def test_a_host_without_its_secret_is_an_error(tmp_path: Path) -> None:
    config = configure(
        tmp_path, 'url = "https://a.example/feed"', hosts='[hosts."b.example"]\nbearer = "env:NOT_THERE"\n'
    )
    said = call("config", "check", "--config", config)
    assert said.status == 2
    assert (
        'hosts."b.example": bearer: env:NOT_THERE holds no secret; set the environment variable NOT_THERE' in said.err
    )


def test_the_keys_of_hosts_are_shown_as_they_are_written(tmp_path: Path) -> None:
    config = configure(tmp_path, hosts='[hosts."B.example:8443"]\nbearer = "env:FEED_SECRET"\ntimeout = "5s"\n')
    shown = call("config", "show", "--config", config).out
    assert '[hosts."b.example:8443"]' in shown
    assert 'bearer = "env:FEED_SECRET"' in shown
    of_host = json.loads(call("config", "show", "--json", "--config", config).out)["hosts"]["b.example:8443"]
    assert of_host["timeout"] == "5s"
    assert "respect_robots" not in of_host
    (tmp_path / "shown.toml").write_text(shown, encoding="utf-8")
    assert call("config", "check", "--config", tmp_path / "shown.toml").status == 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('bearer = "env:NOT_THERE"', "bearer: env:NOT_THERE holds no secret; set the environment variable NOT_THERE"),
        ('password = "file:none"', "password: file:none holds no secret"),
        ('headers = { X-Key = "env:NOT_THERE" }', "headers.X-Key: env:NOT_THERE holds no secret"),
        ('cookies = { a = "env:NOT_THERE" }', "cookies.a: env:NOT_THERE holds no secret"),
        ('bearer = "file:umlaut.txt"', "holds a character that no header may carry"),
        (f'password = "{SECRET}"', "secrets are kept elsewhere"),
        (f'headers = {{ X-Api-Key = "{SECRET}" }}', "secrets are kept elsewhere"),
        (f'headers = {{ X-Session-Id = "{SECRET}" }}', "secrets are kept elsewhere"),
        (f'cookies = {{ session = "{SECRET}" }}', "secrets are kept elsewhere"),
        ('headers = { Host = "b.example" }', "no header of yours to set"),
        ('headers = { "a b" = "c" }', "no header of yours to set"),
        ('cookies = { "a=b" = "env:FEED_SECRET" }', "no name of a cookie"),
        ('headers = "X-Key: 1"', "is not a table"),
        ('bearer = "env:FEED_SECRET"\nusername = "me"', "a request carries one of them"),
        ('proxy = "proxy.example"', "http"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(tmp_path: Path, keys: str, message: str) -> None:
    (tmp_path / "umlaut.txt").write_text("schlüssel", encoding="utf-8")
    said = call("config", "check", "--config", configure(tmp_path, f'url = "https://a.example/feed"\n{keys}'))
    assert said.status == 2
    assert message in said.err
    assert SECRET not in said.err


def test_other_keys_of_one_feed(tmp_path: Path) -> None:
    keys = 'insecure_tls = true\nuser_agent = "own/1"\ntimeout = "9s"\nproxy = ""\nfull_text = false'
    with Server(answer, tls=serve_tls("127.0.0.1", authority=trustme.CA())) as server:
        run(configure(tmp_path, f'url = "{server.url("/strict")}"'))
        assert server.requests == []
        config = configure(tmp_path, f'url = "{server.url("/feed")}"\n{keys}')
        tested = call("feeds", "test", server.url("/feed"), "--config", config)
        (tmp_path / "a.db").unlink()
        polled = run(config)
    assert tested.status == 0, tested
    assert polled.records[0]["feeds"] == {"polled": 1, "unchanged": 0, "failed": 0}
    assert {dict(request.headers)["User-Agent"] for request in server.requests} == {"own/1"}
