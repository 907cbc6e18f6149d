"""The token that guards page and API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import ConfigError
from aggregator.store import SqlStore
from aggregator.web.access import Guard
from aggregator.web.listening import read_token
from tests.support.stores import subscribe
from tests.support.website import A, Open


def test_with_a_token_only_probes_are_open(open_site: Open, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    site = open_site(token="s3cret")
    for path in ("/", "/feeds", "/metrics", "/api/v1/feeds", "/feed.atom", "/static/style.css", "/api/docs"):
        assert "Bearer" in site.get(path, 401).headers["www-authenticate"]
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 401)
    site.get("/healthz")
    site.get("/readyz")


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer", "Basic !!!", "Digest s3cret", "Basic czNjcmV0", "s3cret"])
def test_a_wrong_token_is_refused(open_site: Open, value: str) -> None:
    open_site(token="s3cret").get("/", 401, headers={"Authorization": value})


def test_the_token_comes_as_bearer_or_as_a_browser_s_password(open_site: Open) -> None:
    site = open_site(token="s3cret")
    site.get("/", headers={"Authorization": "Bearer s3cret"})
    site.get("/", headers={"Authorization": "bearer  s3cret "})
    site.get("/", auth=("anybody", "s3cret"))


def test_the_token_is_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert read_token(None) is None
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(file)
    file.write_text(" \n")
    with pytest.raises(ConfigError, match="is empty"):
        read_token(file)
    file.write_text("s3cret\n")
    assert read_token(file) == "s3cret"


def test_the_guard_leaves_a_server_s_own_messages_alone() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def never(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Guard(inner, "s3cret")({"type": "lifespan"}, never, never))
    assert seen == ["lifespan"]
