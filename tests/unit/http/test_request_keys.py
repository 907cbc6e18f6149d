from __future__ import annotations

import pytest

from aggregator.http.endpoint import Endpoint, parse_endpoint
from aggregator.http.request_keys import NO_KEYS, RequestKeys, credential_headers, make_rules

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
@pytest.mark.parametrize("feed", [FEED, ""])
def test_keys_stay_at_their_origin(feed: str, elsewhere: str) -> None:
    rules = make_rules([(FEED, ONE)])
    assert rules.keys_for(feed, endpoint("https://A.example:443/page?x=1")) == ONE
    assert rules.keys_for(feed, endpoint(elsewhere)) == NO_KEYS


def test_two_feeds_of_one_origin_have_their_own_keys_and_its_pages_none() -> None:
    rules = make_rules([(FEED, ONE), ("https://a.example/two", TWO), ("no address", TWO)])
    assert rules.keys_for(FEED, endpoint(FEED)) == ONE
    assert rules.keys_for("https://a.example/two", endpoint(FEED)) == TWO
    assert rules.keys_for("", endpoint(FEED)) == NO_KEYS
    assert rules.keys_for("https://a.example/three", endpoint(FEED)) == NO_KEYS
    assert make_rules([(FEED, ONE), ("https://a.example/two", ONE)]).keys_for("", endpoint(FEED)) == ONE


def test_connections_are_shared_only_under_the_same_keys() -> None:
    assert ONE.pool == RequestKeys(headers={"X-Key": "one"}).pool
    assert len({ONE.pool, TWO.pool, NO_KEYS.pool, RequestKeys(proxy="").pool, RequestKeys(insecure_tls=True).pool}) == 5


def test_credentials() -> None:
    assert credential_headers(username="", password="", bearer="", cookies={}) == {}
    assert credential_headers(username="", password="", bearer="t", cookies={}) == {"Authorization": "Bearer t"}


def test_no_secret_is_shown() -> None:
    shown = repr((ONE, make_rules([(FEED, ONE)]), RequestKeys(proxy="http://me:hidden@proxy.example:1")))
    assert "one'" not in shown.replace("/one'", "")
    assert "hidden" not in shown
