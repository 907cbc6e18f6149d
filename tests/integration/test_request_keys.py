"""The request keys of a feed: where its secrets go, and that nothing shows them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import trustme

from aggregator.selftest.server import Peer
from tests.support.command import Called, call
from tests.support.servers import Script, Server, head, serve_tls

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
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_SECRET", SECRET)
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")


def configure(folder: Path, *feeds: str) -> Path:
    path = folder / "aggregator.toml"
    path.write_text(
        '[storage]\nurl = "sqlite:///a.db"\nmin_free = "0"\n[http]\ncontact = "me@reader.example"\n'
        'per_host_interval = "0s"\nallow_private_networks = ["127.0.0.0/8"]\n[web]\nlisten = ""\n'
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
    with Server(answer) as server:
        feeds = [f'url = "{server.url(f"/{kind}")}"\nfull_text = false\n{keys}' for kind, keys in CREDENTIALS.items()]
        config = configure(tmp_path, *feeds)
        shown = [call("-v", "run-once", "--all", "--config", config)]
        url = server.url("/basic")
        for command in (
            ("config", "show"), ("config", "show", "--json"), ("feeds", "list"), ("feeds", "export"), ("health",),
            ("why", url), ("articles", "list"), ("export",), ("feeds", "test", url), ("plan",),
            ("db", "backup", str(tmp_path / "backup.db")),
        ):  # fmt: skip
            shown.append(call(*command, "--config", config))
    assert len(server.requests) > len(CREDENTIALS)
    said = "".join(one.out + one.err for one in shown)
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "secret.txt")
    for word in SPELLED:
        assert word not in said
        assert word.encode() not in kept


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('bearer = "env:NOT_THERE"', "bearer: env:NOT_THERE holds no secret; set the environment variable NOT_THERE"),
        ('password = "file:none"', "password: file:none holds no secret"),
        ('headers = { X-Key = "env:NOT_THERE" }', "headers.X-Key: env:NOT_THERE holds no secret"),
        ('cookies = { a = "env:NOT_THERE" }', "cookies.a: env:NOT_THERE holds no secret"),
        ('bearer = "file:umlaut.txt"', "holds a character that no header may carry"),
        (f'password = "{SECRET}"', "secrets stand elsewhere"),
        (f'headers = {{ X-Api-Key = "{SECRET}" }}', "secrets stand elsewhere"),
        (f'cookies = {{ session = "{SECRET}" }}', "secrets stand elsewhere"),
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
