"""The page behind a proxy: on a socket in the file system, under a name and a path."""

from __future__ import annotations

import re
import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest

from aggregator.errors import PortError
from aggregator.store import SqlStore
from aggregator.web.application import create_app
from aggregator.web.listening import address_of, close, listen_at
from aggregator.web.server import RunningServer
from tests.support.website import Open, fill, state_over

PUBLIC = "https://corpus.example.org/agg"


class UnixConnection(HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("corpus.example.org", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def test_a_socket_in_the_file_system_answers_a_proxy(store: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    app = create_app(state_over(store))
    sock = listen_at(path)
    assert address_of(sock) == f"unix:{path}"
    assert path.stat().st_mode & 0o777 == 0o660
    with pytest.raises(PortError, match="name another path"):
        listen_at(path)
    with RunningServer(app, sock.dup()):
        connection = UnixConnection(path)
        connection.request("GET", "/feeds")
        assert connection.getresponse().status == 200
        connection.close()
    close(sock)
    assert not path.exists()


def test_what_a_dead_process_left_is_replaced_and_other_files_are_not(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    listen_at(path).close()
    assert path.is_socket()
    close(listen_at(path))
    path.write_text("mine")
    with pytest.raises(PortError):
        listen_at(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("cut", [True, False])
def test_links_begin_with_the_path_of_the_public_address(store: SqlStore, open_site: Open, cut: bool) -> None:
    (article, *_) = fill(store)
    site = open_site(base_url=PUBLIC)
    host = {"Host": "corpus.example.org"}
    before = "" if cut else "/agg"
    for path in ("/", "/feeds", "/articles", f"/articles/{article.id}", "/api/docs"):
        found = re.findall(r'(?:href|src|action)="(/[^"]*)"', site.get(before + path, headers=host).text)
        assert found
        assert all(link.startswith("/agg/") for link in found), (path, found)
    assert f'href="{PUBLIC}/feed.atom' in site.get(f"{before}/feed.atom", headers=host).text
    assert site.get(f"{before}/api/v1/articles", headers=host).json()["changes"]
    assert site.get(f"{before}/api/v1/nothing", 404, headers=host).headers["content-type"] == "application/problem+json"
    assert site.get(f"{before}/static/style.css", headers=host).text


def test_the_public_name_may_be_asked_for_and_no_other(store: SqlStore, open_site: Open) -> None:
    fill(store)
    site = open_site(base_url=PUBLIC)
    site.get("/feeds")
    site.get("/feeds", 421, headers={"Host": "elsewhere.example"})
    host = {"Host": "corpus.example.org"}
    (feed, *_) = store.feeds()
    refresh = f"/api/v1/feeds/{feed.id}/refresh"
    site.ask("POST", refresh, 403, headers={**host, "Origin": "https://elsewhere.example"})
    answer = site.ask(
        "POST", refresh, 303, headers={**host, "Origin": "https://corpus.example.org", "Accept": "text/html"}
    )
    assert answer.headers["location"] == f"/agg/feeds/{feed.id}"
