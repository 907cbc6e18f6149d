"""URLs as strings: splitting, a normal form that is safe to fetch, relative links, hosts, registrable domains.

This module does not decide about the article of an address (`identify` does) and uses no network. No function raises on
a string.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urljoin

import idna

MAX_URL_LENGTH = 16_384  # characters; longer texts are refused before any pattern runs on them
DEFAULT_PORTS = {"http": 80, "https": 443}

_EDGE = "".join(map(chr, range(0x21))) + "\x7f\x85\xa0\u200b\u2028\u2029\u3000\ufeff"
_INSIDE = re.compile(r"[\t\n\r]+")  # browsers drop these anywhere (https://url.spec.whatwg.org, 4.4)
_URL = re.compile(r"(https?):[/\\]+([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.IGNORECASE | re.DOTALL)
_USERINFO = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]{0,5}))?", re.DOTALL)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_UNSAFE = re.compile(r"(?:%(?![0-9A-Fa-f]{2})|[^!#$%&'()*+,/:;=?@\[\]~A-Za-z0-9._-])+")


class Split(NamedTuple):
    """The parts of an http(s) URL. It is a tuple for speed: `identify` makes one for each address.

    `scheme` and `host` are in lower case. `host` is ASCII (IDNA) without a final dot; an IPv6 address is in brackets.
    `port` is the given or the default one. `path` begins with "/" or is empty, and a backslash in it has become "/".
    `query` and `fragment` are unchanged; None: the URL has none.
    """

    scheme: str
    userinfo: str | None
    host: str
    port: int
    path: str
    query: str | None
    fragment: str | None


@lru_cache(maxsize=1024)  # an address is split several times between its entry and its article
def split(raw_url: str) -> Split | None:
    """Return the parts of `raw_url`, or None if it is too long or no http(s) URL with a usable host.

    >>> split("HTTPS://Www.DW.com/en/x?a=1#top")
    Split(scheme='https', userinfo=None, host='www.dw.com', port=443, path='/en/x', query='a=1', fragment='top')
    """
    if len(raw_url) > MAX_URL_LENGTH:
        return None
    match = _URL.fullmatch(_trim(raw_url))
    if match is None:
        return None
    scheme, authority, path, query, fragment = match.groups()
    scheme = scheme.lower()
    userinfo, host, port = _authority(authority)
    if host is None or port is None:
        return None
    if "\\" in path:
        path = path.replace("\\", "/")
    return Split(scheme, userinfo, host, port or DEFAULT_PORTS[scheme], path, query, fragment)


def host_of(url: str) -> str:
    """Return "name:port" of `url`, lower case, in IDNA, with the default port filled in; "": `url` has no host.

    >>> host_of("http://WWW.dw.com/en/")
    'www.dw.com:80'
    """
    parts = split(url)
    return "" if parts is None else f"{parts.host}:{parts.port}"


def is_http(url: str) -> bool:
    """Return whether `url` is an absolute http or https URL with a usable host."""
    return split(url) is not None


def absolute(base: str, link: str) -> str | None:
    """Return the absolute address of `link` on the page at `base`, with its fragment; None if it is no http(s) URL.

    Blanks and control characters around the link and line ends within it are dropped, as browsers do. For an empty link
    the result is None.

    >>> absolute("https://www.dw.com/en/", " ../a-1#x ")
    'https://www.dw.com/a-1#x'
    """
    link = _trim(link)
    if not link or len(link) > MAX_URL_LENGTH:
        return None
    if _URL.match(link):
        joined = link
    elif _SCHEME.match(link):
        return None
    else:
        try:
            joined = urljoin(_trim(base), link.replace("\\", "/") if link.startswith(("/", "\\")) else link)
        except ValueError:
            return None
    return joined if is_http(joined) else None


def clean(raw_url: str) -> str | None:
    """Return `raw_url` in the form that is fetched, or None if it is no http(s) URL.

    Illegal characters are percent-encoded. The host is in lower case and IDNA. A default port and the fragment are
    removed. An empty path becomes "/". Every URL parser reads the result in the same way.

    >>> clean("http://Bücher.example:80/ä b?q=ü#top")
    'http://xn--bcher-kva.example/%C3%A4%20b?q=%C3%BC'
    """
    parts = split(raw_url)
    if parts is None:
        return None
    authority = parts.host
    if parts.userinfo is not None:
        authority = f"{quote_illegal(parts.userinfo)}@{authority}"
    if parts.port != DEFAULT_PORTS[parts.scheme]:
        authority = f"{authority}:{parts.port}"
    query = "" if parts.query is None else f"?{quote_illegal(parts.query)}"
    return f"{parts.scheme}://{authority}{quote_illegal(parts.path) or '/'}{query}"


def without_userinfo(url: str) -> str:
    """Return an http(s) URL without user and password.

    >>> without_userinfo("https://me:secret@example.org/a?b=c@d"), without_userinfo("https://example.org?b=c@d")
    ('https://example.org/a?b=c@d', 'https://example.org?b=c@d')
    """
    return _USERINFO.sub(r"\1", url)


def quote_illegal(text: str) -> str:
    """Percent-encode characters that are illegal in a URL (RFC 3986, 2), as UTF-8. Encoded characters stay.

    >>> quote_illegal("50% ü%C3%BC")
    '50%25%20%C3%BC%C3%BC'
    """
    return _UNSAFE.sub(lambda match: "%" + match[0].encode("utf-8", "replace").hex("%").upper(), text)


def ascii_host(raw_host: str) -> str | None:
    """Return the host name in lower case and IDNA without a final dot, or None if it is no host name.

    An IPv6 address is given and returned in brackets.

    >>> ascii_host("Bücher.EXAMPLE.")
    'xn--bcher-kva.example'
    """
    if raw_host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(raw_host[1:-1]).compressed}]"
        except ValueError:
            return None
    name = (unquote(raw_host) if "%" in raw_host else raw_host).lower()
    if not name.isascii():
        name = _to_ascii(name)
    name = name.removesuffix(".")
    return name if _HOST.fullmatch(name) else None


def registrable_domain(host_or_url: str) -> str:
    """Return the registrable domain of a host, by the public suffix list. For an IP address, return the address.

    For a name without a listed suffix, return its last two labels. For a suffix, return the suffix. "": the input has
    no host.

    >>> registrable_domain("https://www.bbc.co.uk:443/news"), registrable_domain("127.0.0.1:8080")
    ('bbc.co.uk', '127.0.0.1')
    """
    if "://" in host_or_url:
        parts = split(host_or_url)
        host = None if parts is None else parts.host
    else:
        host = _authority(host_or_url)[1]
    return "" if host is None else _domain_of(host)


@lru_cache(maxsize=8192)
def _domain_of(host: str) -> str:
    if host.startswith("[") or _is_ipv4(host):
        return host
    return _listed_domain(host) or ".".join(host.split(".")[-2:])


def _trim(raw_url: str) -> str:
    raw_url = raw_url.strip(_EDGE)
    return raw_url if raw_url.isprintable() else _INSIDE.sub("", raw_url)


@lru_cache(maxsize=8192)
def _authority(raw: str) -> tuple[str | None, str | None, int | None]:
    """Return user info, host and port (0: none given). Host None: the authority is invalid."""
    match = _AUTHORITY.fullmatch(raw)
    if match is None:
        return None, None, None
    port = int(match[3] or 0)
    if port > 65535 or (port == 0 and match[3]):
        return None, None, None
    return match[1], ascii_host(match[2]), port


def _to_ascii(name: str) -> str:
    if len(name) > 253:
        return ""
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        pass
    try:
        return name.encode("idna").decode()  # IDNA 2003 knows the names with symbols that IDNA 2008 forbids
    except UnicodeError:
        return ""


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _listed_domain(host: str) -> str | None:
    from tld import get_fld  # late: the list takes 25 ms to read, and `identify` never asks it

    name = host
    if "xn--" in host:
        try:
            name = idna.decode(host)
        except idna.IDNAError:
            return None
    found: str | None = get_fld(f"http://{name}", fail_silently=True)
    if found is None or found == name:
        return None if found is None else host
    return ".".join(host.split(".")[-len(found.split(".")) :])
