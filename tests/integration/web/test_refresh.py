"""Refreshing a feed, and who may not ask for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.store import SqlStore
from tests.support.stores import claim, poll, poll_record, subscribe
from tests.support.website import A, Open, Site, fill


def test_refresh_makes_a_feed_due(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed)
    assert store.feeds()[0].state.due_at > store.now()
    assert site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 202).json() == {"feed_id": feed.id, "due": True}
    assert store.feeds()[0].state.due_at == store.now()
    assert [held.host for held in store.claim_hosts(5, timedelta(minutes=1))] == [feed.host]


def test_a_button_leads_back_to_the_page_which_shows_it(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed)
    path = f"/api/v1/feeds/{feed.id}/refresh"
    assert f'action="{path}"' in site.get(f"/feeds/{feed.id}").text
    headers = {"Accept": "text/html", "Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    assert site.ask("POST", path, 303, headers=headers).headers["location"] == f"/feeds/{feed.id}"
    assert "<dt>next poll</dt><dd>2026-03-01 12:00</dd>" in site.get(f"/feeds/{feed.id}").text


def test_retry_after_forbids_a_refresh(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    record = poll_record(feed, at=store.now())
    held = claim(store, feed.host)
    state = replace(record.state, not_before=store.now() + timedelta(hours=1))
    assert store.record_poll(held, replace(record, state=state))
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 409)
    site.ask("POST", "/api/v1/feeds/99/refresh", 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_s_page_cannot_refresh(site: Site, store: SqlStore, headers: dict[str, str]) -> None:
    (feed,) = subscribe(store, A)
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 403, headers=headers)


def test_a_browser_s_own_word_about_the_site_decides(site: Site, store: SqlStore) -> None:
    """A form of a page that sends no referrer has `Origin: null`, though it is ours (Chromium)."""
    (feed,) = subscribe(store, A)
    poll(store, feed)
    headers = {"Accept": "text/html", "Origin": "null", "Sec-Fetch-Site": "same-origin"}
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 303, headers=headers)


REBOUND = ["evil.example", "evil.example:8642", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "user@evil"]


@pytest.mark.parametrize("name", REBOUND)
def test_a_name_that_came_to_mean_this_machine_shows_nothing(site: Site, store: SqlStore, name: str) -> None:
    """DNS rebinding: to the browser that name's pages and ours are of one origin."""
    (feed,) = subscribe(store, A)
    headers = {"Host": name, "Origin": f"http://{name}", "Sec-Fetch-Site": "same-origin"}
    for path in ("/", "/feeds", "/metrics", "/api/v1/articles", "/feed.atom"):
        site.get(path, 421, headers=headers)
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 421, headers=headers)
    site.get("/healthz", headers=headers)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:8642", "127.0.0.1", "127.0.0.2:80", "[::1]:8642", "10.0.0.1"])
def test_this_machine_s_own_names_are_answered(site: Site, name: str) -> None:
    site.get("/", headers={"Host": name})


def test_with_a_token_any_name_is_answered(open_site: Open) -> None:
    headers = {"Host": "status.example.org", "Authorization": "Bearer s3cret"}
    open_site(token="s3cret").get("/", headers=headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_nothing_else_can_be_written(site: Site, store: SqlStore, method: str) -> None:
    fill(store, 1)
    for path in ("/", "/feeds", "/api/v1/articles", "/api/v1/feeds"):
        site.ask(method, path, 405)
