"""URLs as strings: the normal form, relative links, hosts and registrable domains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.urls import (
    MAX_URL_LENGTH,
    absolute,
    ascii_host,
    clean,
    host_of,
    is_http,
    quote_illegal,
    registrable_domain,
    split,
)

SCRAPS = st.lists(
    st.sampled_from(
        [
            "http", "https", ":", "//", "/", "\\", "@", "[", "]", "::1", "a", "B.example", "%", "%41", "%zz", "?",
            "#", "&", "=", ":80", ":99999", ".", "..", " ", "\t", "\n", "\x00", "ü", "\ud800", "xn--",
            "xn--80ak6aa92e", "1.2.3.4", "javascript"
        ]
    ),
    max_size=12,
).map("".join)  # fmt: skip
STRINGS = st.one_of(
    st.text(), SCRAPS, SCRAPS.map(lambda rest: f"http://{rest}"), SCRAPS.map(lambda rest: f"https://e.org/{rest}")
)


@pytest.mark.parametrize(
    ("raw_url", "fetched"),
    [
        ("https://example.org", "https://example.org/"),
        ("https://example.org?a=b", "https://example.org/?a=b"),
        ("HTTP://EXAMPLE.org:80/Path", "http://example.org/Path"),
        ("https://example.org:443/", "https://example.org/"),
        ("https://example.org:/", "https://example.org/"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("http://example.org./a", "http://example.org/a"),
        (" \n https://example.org/a\n", "https://example.org/a"),
        ("https://example.org/a\tb\r\nc", "https://example.org/abc"),
        ('https://example.org/a b|c"d<e>', "https://example.org/a%20b%7Cc%22d%3Ce%3E"),
        ("https://example.org/ü?q=ü&r=%C3%BC#top", "https://example.org/%C3%BC?q=%C3%BC&r=%C3%BC"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/%e4%f", "https://example.org/%e4%25f"),
        ("https://example.org/a//../b?x=1&&y", "https://example.org/a//../b?x=1&&y"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://i❤.ws/", "https://xn--i-7iq.ws/"),
        ("https://ex%41mple.org/", "https://example.org/"),
        ("https://user:pass word@example.org/", "https://user:pass%20word@example.org/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[0:0::1]/", "http://[::1]/"),
        ("http:\\\\example.org\\a", "http://example.org/a"),
        ("http://evil.example\\@good.example/", "http://evil.example/@good.example/"),
        ("https://my_blog.example.org/", "https://my_blog.example.org/"),
        ("https://example.org/\ud800", "https://example.org/%3F"),
    ],
)
def test_clean_gives_what_is_fetched(raw_url: str, fetched: str) -> None:
    assert clean(raw_url) == fetched


@pytest.mark.parametrize(
    "raw_url",
    [
        "", "example.org", "//example.org/", "ftp://example.org/", "javascript:alert(1)", "http:example.org", "https://",
        "https:///", "https://?a", "http://a..b/", "http://example.org:99999/", "http://example.org:0/", "http://[::1/",
        "http://[::zz]/", "http://[1.2.3.4]/", "http://a b.example/", f"http://{'a' * 64}.example/",
        f"http://{'ü' * 300}.example/", "http://\u2488.example/", "http://a:b:c/", "http://%00/",
        "https://example.org/" + "a" * MAX_URL_LENGTH,
    ],
)  # fmt: skip
def test_what_is_no_usable_url_is_none(raw_url: str) -> None:
    assert clean(raw_url) is None
    assert host_of(raw_url) == ""
    assert not is_http(raw_url)
    assert split(raw_url) is None


@given(STRINGS)
def test_clean_never_raises_and_is_idempotent(raw_url: str) -> None:
    once = clean(raw_url)
    if once is not None:
        assert once.isascii()
        assert clean(once) == once
        assert host_of(once) == host_of(raw_url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.dw.com/en/", "www.dw.com:443"),
        ("http://WWW.DW.com", "www.dw.com:80"),
        ("http://dw.com:8080/", "dw.com:8080"),
        ("http://[::1]/", "[::1]:80"),
    ],
)
def test_host_of(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("base", "link", "resolved"),
    [
        ("https://example.org/a/b", "c", "https://example.org/a/c"),
        ("https://example.org/a/b", " /c ", "https://example.org/c"),
        ("https://example.org/a/b", "?x=1", "https://example.org/a/b?x=1"),
        ("https://example.org/a/b", "#x", "https://example.org/a/b#x"),
        ("https://example.org/a/b", "//other.example/c", "https://other.example/c"),
        ("https://example.org/a/b", "\\c", "https://example.org/c"),
        ("https://example.org/a/b", "http://other.example/c#!d", "http://other.example/c#!d"),
        ("https://example.org/a/b", "/c\n/d", "https://example.org/c/d"),
        ("https://example.org/a/b", "", None),
        ("https://example.org/a/b", "mailto:a@example.org", None),
        ("https://example.org/a/b", "data:text/html,x", None),
        ("https://example.org/a/b", "//[::1", None),
        ("http://[::1", "c", None),
        ("nowhere", "c", None),
        ("https://example.org/", "a" * (MAX_URL_LENGTH + 1), None),
    ],
)
def test_absolute_resolves_links(base: str, link: str, resolved: str | None) -> None:
    assert absolute(base, link) == resolved


@given(STRINGS, STRINGS)
def test_absolute_never_raises(base: str, link: str) -> None:
    resolved = absolute(base, link)
    assert resolved is None or is_http(resolved)


@pytest.mark.parametrize(
    ("host_or_url", "domain"),
    [
        ("https://www.bbc.co.uk/news", "bbc.co.uk"),
        ("rss.dw.com:443", "dw.com"),
        ("dw.com", "dw.com"),
        ("co.uk", "co.uk"),
        ("foo.github.io", "foo.github.io"),
        ("a.foo.github.io", "foo.github.io"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("http://[::1]:80/", "[::1]"),
        ("localhost", "localhost"),
        ("http://a.b.intranet/", "b.intranet"),
        ("a.bücher.de", "xn--bcher-kva.de"),
        ("a.b.xn--p1ai", "b.xn--p1ai"),
        ("a.b.xn--\u0080", ""),
        ("a.xn--zzzz--.example", "xn--zzzz--.example"),
        ("javascript://x", ""),
        ("", ""),
    ],
)
def test_registrable_domain(host_or_url: str, domain: str) -> None:
    assert registrable_domain(host_or_url) == domain


@given(STRINGS)
def test_registrable_domain_never_raises(text: str) -> None:
    assert isinstance(registrable_domain(text), str)


@given(st.text())
def test_quote_illegal_is_idempotent(text: str) -> None:
    assert quote_illegal(quote_illegal(text)) == quote_illegal(text)


def test_a_host_is_lower_case_ascii() -> None:
    assert ascii_host("ＷＷＷ．Example.ORG") == "www.example.org"
    assert ascii_host("") is None
