from __future__ import annotations

from datetime import timedelta

import pytest

from aggregator.http.endpoint import Endpoint, parse_endpoint
from aggregator.http.request_keys import (
    NO_KEYS,
    RequestKeys,
    RequestRules,
    changed_rules,
    make_rules,
)

ONE = RequestKeys(headers={"X-Key": "one"})
TWO = RequestKeys(headers={"X-Key": "two"})
FEED = "https://a.example/one"


def endpoint(url: str) -> Endpoint:
    found = parse_endpoint(url)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "elsewhere",
    ["https://b.example/one", "http://a.example/one", "https://a.example:8443/one", "https://a.example.b.example/"],
)
@pytest.mark.parametrize("feed", [FEED, None])
def test_keys_stay_at_their_origin(feed: str, elsewhere: str) -> None:
    rules = make_rules([(FEED, ONE)])
    assert rules.keys_for(feed, endpoint("https://A.example:443/page?x=1")) == ONE
    assert rules.keys_for(feed, endpoint(elsewhere)) == NO_KEYS


def test_two_feeds_of_one_origin_have_their_own_keys_and_its_pages_none() -> None:
    rules = make_rules([(FEED, ONE), ("https://a.example/two", TWO), ("no address", TWO)])
    assert rules.keys_for(FEED, endpoint(FEED)) == ONE
    assert rules.keys_for("https://a.example/two", endpoint(FEED)) == TWO
    assert rules.keys_for(None, endpoint(FEED)) == NO_KEYS
    assert rules.keys_for("", endpoint(FEED)) == NO_KEYS
    assert rules.keys_for("https://a.example/three", endpoint(FEED)) == NO_KEYS
    assert make_rules([(FEED, ONE), ("https://a.example/two", ONE)]).keys_for(None, endpoint(FEED)) == ONE


def test_connections_are_shared_only_under_the_same_keys() -> None:
    assert ONE.pool == RequestKeys(headers={"X-Key": "one"}).pool
    assert len({ONE.pool, TWO.pool, NO_KEYS.pool, RequestKeys(proxy="").pool, RequestKeys(insecure_tls=True).pool}) == 5


def test_no_secret_is_shown() -> None:
    shown = repr((ONE, make_rules([(FEED, ONE)]), RequestKeys(proxy="http://me:hidden@proxy.example:1")))
    assert "one'" not in shown.replace("/one'", "")
    assert "hidden" not in shown


def test_the_longest_pause_of_a_host_holds() -> None:
    second = timedelta(seconds=1)
    rules = RequestRules(intervals={"a.example:443": second * 3, "a.example": second * 2, "b.example": second / 10})
    assert rules.interval_of("a.example:443", second) == second * 3
    assert rules.interval_of("a.example:80", second) == second * 2
    assert rules.interval_of("b.example:80", second) == second / 10
    assert rules.interval_of("c.example:80", second * 5) == second * 5


@pytest.mark.parametrize(
    ("feed", "page", "respects"),
    [
        (FEED, "https://a.example/page", False),  # as the feed says
        (FEED, "http://a.example/page", True),  # another origin
        ("https://a.example/other", "https://a.example/page", True),
        ("", "https://b.example/page", False),  # as the host says
        ("", "https://b.example:8443/page", True),
        (FEED, "no address", True),
    ],
)
def test_who_says_whether_robots_txt_is_obeyed(feed: str, page: str, respects: bool) -> None:
    rules = make_rules([(FEED, RequestKeys(respect_robots=False))], robots={"b.example": False, "b.example:8443": True})
    assert rules.respects_robots(feed, page, True) is respects


def test_robots_txt_is_read_for_the_name_that_asks() -> None:
    rules = make_rules([(FEED, RequestKeys(user_agent="own/1"))])
    assert rules.agent_for(FEED, "https://a.example/page", "usual/1") == "own/1"
    assert rules.agent_for(FEED, "https://b.example/page", "usual/1") == "usual/1"
    assert rules.agent_for(FEED, "no address", "usual/1") == "usual/1"


def test_what_changed_is_named_without_its_value() -> None:
    second = timedelta(seconds=1)
    old = make_rules([(FEED, ONE), ("https://a.example/gone", ONE)], intervals={"a.example": second}, robots={})
    new = make_rules([(FEED, TWO), ("https://a.example/new", ONE)], intervals={}, robots={"b.example": False})
    assert list(changed_rules(old, new)) == [f"request keys of {FEED}", "pace of a.example", "robots.txt of b.example"]
    assert list(changed_rules(new, new)) == []


def test_changed_keys_of_a_host_are_named_since_feeds_of_lists_use_them() -> None:
    unset = RequestKeys()
    old = make_rules([], of_host={"a.example": ONE, "b.example": ONE, "c.example": unset}, robots={})
    new = make_rules(
        [],
        of_host={"a.example": TWO, "c.example": RequestKeys(respect_robots=False), "d.example": unset},
        robots={"c.example": False},
    )
    lines = ["request keys of a.example", "request keys of b.example", "robots.txt of c.example"]
    assert list(changed_rules(old, new)) == lines


def test_a_feed_of_a_list_has_the_keys_of_its_host() -> None:
    keys, other = RequestKeys(headers={"X-Key": "s"}), RequestKeys(headers={"X-Key": "t"})
    rules = make_rules([], of_host={"a.example": keys, "b.example:8443": other})

    def sent(feed: str, url: str) -> RequestKeys:
        endpoint = parse_endpoint(url)
        assert endpoint is not None
        return rules.keys_for(feed, endpoint)

    assert sent("https://a.example/feed", "https://a.example/feed") is keys
    assert sent("https://b.example:8443/feed", "https://b.example:8443/feed") is other
    assert sent("https://a.example/feed", "https://b.example:8443/feed") == NO_KEYS  # where a redirect led
    assert sent("https://a.example/feed", "http://a.example/feed") == NO_KEYS
    assert sent("https://c.example/feed", "https://c.example/feed") == NO_KEYS
    assert sent("", "https://a.example/feed") == NO_KEYS
