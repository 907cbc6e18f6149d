"""The address that the server listens on."""

from __future__ import annotations

import pytest
import requests

from aggregator.errors import PortError
from aggregator.store import SqlStore
from aggregator.web.application import create_app
from aggregator.web.listening import listen
from aggregator.web.server import RunningServer
from tests.support.website import Broken, state_over


def test_an_address_that_is_taken_is_a_clear_error() -> None:
    with listen("127.0.0.1", 0) as sock, pytest.raises(PortError, match=r"\[web\] listen: .* is not free"):
        listen("127.0.0.1", sock.getsockname()[1])


def test_an_address_of_somebody_else_is_a_clear_error() -> None:
    with pytest.raises(PortError, match="name another port"):
        listen("no host", 80)


def test_a_stopped_server_frees_its_address(store: SqlStore) -> None:
    app = create_app(state_over(store))
    with RunningServer(app, listen("127.0.0.1", 0)) as server:
        requests.get(f"{server.url}healthz", timeout=10).close()
    listen(*server.address).close()


def test_ipv6_addresses_stand_in_brackets() -> None:
    app = create_app(state_over(Broken()))
    with RunningServer(app, listen("::1", 0)) as server:
        assert server.url.startswith("http://[::1]:")
