"""Addresses that contain another address: search engines' redirects, AMP caches and viewers, old Google News ids.

The hosts and forms are data (`publishers/tables/redirectors.toml`); nothing is fetched. Short links are not among them:
only a request can tell their targets.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal, assert_never
from urllib.parse import unquote

_NEWS_HEADER = b"\x08\x13\x22"  # field 1 = 19, then field 4, a string: the address


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirector:
    """One form of addresses that contain their target.

    `paths` are whole paths ("/*": any path). For the forms `path` and `news` they are the beginnings of paths. `params`
    are the parameters that may contain the target, in the order of preference.
    """

    name: str
    form: Literal["param", "base64", "path", "query", "news"]
    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    params: tuple[str, ...] = ()


def unwrap(redirector: Redirector, path: str, query: str | None) -> str | None:
    """Return the target that an address of the redirector contains; None: it contains none.

    `path` is the address's path in normal form, without a final slash; `query` is as received. The caller checks
    whether the target is a usable URL.

    >>> amp = Redirector(name="amp", form="path", hosts=("cdn.ampproject.org",), paths=("/c/",))
    >>> unwrap(amp, "/c/s/example.org/a", "x=1")
    'https://example.org/a?x=1'
    """
    match redirector.form:
        case "param" | "base64":
            if path not in redirector.paths and "/*" not in redirector.paths:
                return None
            value = _first_param(query or "", redirector.params)
            return value if redirector.form == "param" or value is None else _from_base64(value)
        case "query":
            return unquote(query) if query and path in redirector.paths else None
        case "path":
            rest = _after(path, redirector.paths)
            return _from_path(rest, query) if rest else None
        case "news":
            code = _after(path, redirector.paths)
            return decode_news_id(code) if code else None
        case _:
            assert_never(redirector.form)


def decode_news_id(code: str) -> str | None:
    """Return the address in an old Google News id ("CBMi..."); None: newer ids contain no address.

    >>> decode_news_id("CBMiFWh0dHBzOi8vZXhhbXBsZS5vcmcvYQ")
    'https://example.org/a'
    """
    data = _decode_base64(code)
    if data is None or not data.startswith(_NEWS_HEADER) or len(data) < 5:
        return None
    length, start = data[3], 4
    if length >= 0x80:  # a length of two bytes; no address is longer
        length, start = (length & 0x7F) | data[4] << 7, 5
    target = data[start : start + length]
    if len(target) < length or not target.startswith(b"http"):
        return None
    return target.decode("utf-8", "replace")


def _decode_base64(code: str) -> bytes | None:
    try:
        return base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def _from_base64(value: str) -> str | None:
    data = _decode_base64(value.removeprefix("a1"))
    return data.decode("utf-8", "replace") if data is not None and data.startswith(b"http") else None


def _after(path: str, beginnings: tuple[str, ...]) -> str | None:
    return next((path[len(beginning) :] for beginning in beginnings if path.startswith(beginning)), None)


def _from_path(rest: str, query: str | None) -> str | None:
    scheme = "http"
    if rest.startswith("s/"):
        scheme, rest = "https", rest[2:]
    host = rest.partition("/")[0]
    if "." not in host:
        return None
    return f"{scheme}://{rest}" if query is None else f"{scheme}://{rest}?{query}"


def _first_param(query: str, names: tuple[str, ...]) -> str | None:
    """Return the decoded value of the first of `names` that has a value in the query; None: none has.

    A "+" is not decoded to a blank, because a target address may contain it.
    """
    found: dict[str, str] = {}
    for item in query.split("&"):
        name, _, value = item.partition("=")
        found.setdefault(unquote(name).lower().removeprefix("amp;"), value)
    for name in names:
        if found.get(name):
            return unquote(found[name])
    return None
