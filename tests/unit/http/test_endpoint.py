import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.http.endpoint import Endpoint, is_same_host, join_location, may_keep_credentials, parse_endpoint


def endpoint(url: str) -> Endpoint:
    parsed = parse_endpoint(url)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://A.Example", "a.example", "/"),
        ("http://a.example:80?x", "a.example", "/?x"),
        ("https://a.example:443/x#y", "a.example", "/x"),
        ("https://a.example:80/", "a.example:80", "/"),
        ("http://[::1]:8080/", "[::1]:8080", "/"),
        ("http://a.example//x", "a.example", "//x"),
        ("http://a.example/%7e%zz?a=%41", "a.example", "/%7e%25zz?a=%41"),
        ("http://b\u00fccher.example/\u00fc b", "xn--bcher-kva.example", "/%C3%BC%20b"),
    ],
)
def test_what_a_url_asks_for(url: str, authority: str, path: str) -> None:
    asked = endpoint(url)
    assert (asked.authority, asked.path) == (authority, path)
    assert asked.url == f"{asked.scheme}://{authority}{path}"


def test_credentials_are_taken_out() -> None:
    asked = endpoint("http://me:p%40ss@a.example/")
    assert asked.credentials == b"me:p@ss"
    assert asked.url == "http://a.example/"
    assert endpoint("http://a.example/").credentials is None


@pytest.mark.parametrize(
    "url", ["", "a.example", "ftp://a.example/", "http://", "http://a.example:99999/", "http://[x]/"]
)
def test_no_address(url: str) -> None:
    assert parse_endpoint(url) is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", "http://a.example/x"),
        ("x?y#z", "http://a.example/dir/x?y"),
        ("//b.example/x", "http://b.example/x"),
        ("HTTPS://B.example:443/x", "https://b.example/x"),
        ("http://me:secret@b.example/", "http://b.example/"),
        ("/\u00fc".encode().decode("latin-1"), "http://a.example/%C3%BC"),
        ("/\xfc", "http://a.example/%C3%BC"),
        ("/\u20ac", "http://a.example/%E2%82%AC"),
    ],
)
def test_where_a_location_leads(location: str, target: str) -> None:
    joined = join_location(endpoint("http://a.example/dir/feed?q"), location)
    assert joined is not None
    assert joined.url == target
    assert joined.credentials is None


@pytest.mark.parametrize("location", ["", "file:///etc/passwd", "mailto:x", "http://[", "javascript:alert(1)"])
def test_a_location_that_leads_nowhere(location: str) -> None:
    assert join_location(endpoint("http://a.example/"), location) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a.example/", "http://A.example:80/x", True),
        ("http://a.example/", "https://a.example/", True),
        ("http://a.example:8080/", "https://a.example:8080/", True),
        ("http://a.example/", "http://b.example/", False),
        ("http://a.example/", "http://www.a.example/", False),
        ("http://a.example:8080/", "http://a.example:8081/", False),
        ("http://a.example:8080/", "https://a.example/", False),
    ],
)
def test_one_host(one: str, other: str, same: bool) -> None:
    assert is_same_host(endpoint(one), endpoint(other)) is same


def test_credentials_stay_with_their_host_and_its_security() -> None:
    plain, secure, other = (endpoint(url) for url in ("http://a.example/", "https://a.example/", "https://b.example/"))
    assert may_keep_credentials(plain, secure)
    assert may_keep_credentials(secure, secure)
    assert not may_keep_credentials(secure, plain)
    assert not may_keep_credentials(secure, other)


@given(st.text())
def test_any_location_is_an_address_or_none(location: str) -> None:
    joined = join_location(endpoint("http://a.example/dir/"), location)
    assert joined is None or parse_endpoint(joined.url) == joined


@given(st.text(alphabet="abc./:@[]%?#\\0123456789 \u00fc\u200b"))
def test_an_address_is_read_alike_the_second_time(rest: str) -> None:
    asked = parse_endpoint("http://" + rest)
    if asked is not None:
        again = endpoint(asked.url)
        assert (again.host, again.port, again.path) == (asked.host, asked.port, asked.path)
