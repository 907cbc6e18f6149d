"""Addresses that carry another address."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.redirectors import Redirector, decode_news_id, unwrap

PARAM = Redirector(name="p", form="param", hosts=("r.example",), paths=("/go",), params=("url", "u"))
ANY_PATH = Redirector(name="a", form="param", hosts=("r.example",), paths=("/*",), params=("url",))
PATH = Redirector(name="c", form="path", hosts=("r.example",), paths=("/c/", "/v/"))
CODE = Redirector(name="b", form="base64", hosts=("r.example",), paths=("/ck",), params=("u",))
QUERY = Redirector(name="q", form="query", hosts=("r.example",), paths=("/",))
NEWS = Redirector(name="n", form="news", hosts=("r.example",), paths=("/articles/",))


def news_id(url: bytes, tail: bytes = b"") -> str:
    length = bytes([len(url)]) if len(url) < 128 else bytes([len(url) & 0x7F | 0x80, len(url) >> 7])
    return base64.urlsafe_b64encode(b"\x08\x13\x22" + length + url + tail).decode().rstrip("=")


@pytest.mark.parametrize(
    ("redirector", "path", "query", "target"),
    [
        (PARAM, "/go", "x=1&url=https%3A%2F%2Fe.org%2Fa%3Fb%3Dc%2Bd", "https://e.org/a?b=c+d"),
        (PARAM, "/go", "u=https://e.org/u&url=https://e.org/url", "https://e.org/url"),
        (PARAM, "/go", "url=&u=https://e.org/u", "https://e.org/u"),
        (PARAM, "/go", "a=1&amp;URL=https://e.org/", "https://e.org/"),
        (PARAM, "/other", "url=https://e.org/", None),
        (PARAM, "/go", "x=1", None),
        (PARAM, "/go", None, None),
        (ANY_PATH, "/t3_x", "url=https://e.org/", "https://e.org/"),
        (CODE, "/ck", "u=a1aHR0cHM6Ly9lLm9yZy9h", "https://e.org/a"),
        (CODE, "/ck", "u=a1ZnRwOi8vZS5vcmc", None),
        (CODE, "/ck", "u=a1!", None),
        (CODE, "/ck", "x=1", None),
        (PATH, "/c/s/e.org/a", None, "https://e.org/a"),
        (PATH, "/v/e.org/a", "x=1", "http://e.org/a?x=1"),
        (PATH, "/c/s/nohost/a", None, None),
        (PATH, "/c/", None, None),
        (PATH, "/x/e.org", None, None),
        (QUERY, "/", "https://e.org/a?b=1", "https://e.org/a?b=1"),
        (QUERY, "/", "https%3A%2F%2Fe.org", "https://e.org"),
        (QUERY, "/", None, None),
        (QUERY, "/x", "https://e.org", None),
        (NEWS, "/articles/" + news_id(b"https://e.org/a"), None, "https://e.org/a"),
        (NEWS, "/articles/", None, None),
        (NEWS, "/topics/x", None, None),
    ],
)
def test_unwrap(redirector: Redirector, path: str, query: str | None, target: str | None) -> None:
    assert unwrap(redirector, path, query) == target


def test_news_ids_with_two_addresses_and_with_long_ones() -> None:
    assert decode_news_id(news_id(b"https://e.org/a", b"\xd2\x01\x05https")) == "https://e.org/a"
    long = b"https://e.org/" + b"a" * 300
    assert decode_news_id(news_id(long)) == long.decode()


@pytest.mark.parametrize(
    "code",
    [
        "",
        "CBMi",
        "CBMiYEFVX3lxTFAw",
        "ü",
        "a",
        "!!!!",
        base64.urlsafe_b64encode(b"\x08\x13\x22\x05ftp:/").decode(),
        base64.urlsafe_b64encode(b"\x08\x13\x22\x70http://").decode(),
    ],
)
def test_what_carries_no_address(code: str) -> None:
    assert decode_news_id(code) is None


@given(st.binary(max_size=40).map(lambda data: base64.urlsafe_b64encode(b"\x08\x13\x22" + data).decode()))
def test_no_news_id_raises(code: str) -> None:
    decoded = decode_news_id(code)
    assert decoded is None or decoded.startswith("http")


@given(st.sampled_from([PARAM, ANY_PATH, CODE, PATH, QUERY, NEWS]), st.text(), st.none() | st.text())
def test_unwrap_never_raises(redirector: Redirector, path: str, query: str | None) -> None:
    assert isinstance(unwrap(redirector, path, query), str | None)
