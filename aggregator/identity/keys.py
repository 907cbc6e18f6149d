"""Makes the key of an address: a normal form of the address, or the article's number in a publisher's addresses.

Pure and offline. The rules come as records from `publisher_rules`; other packages call `identify`. The order of the
steps is a promise (docs/identity.md): unwrap, host, path, query, fragment, publisher.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Literal
from urllib.parse import unquote

from aggregator.identity.escapes import FRAGMENT_SAFE, PATH_SAFE, QUERY_SAFE, fold_escapes
from aggregator.identity.patterns import Pattern
from aggregator.identity.redirectors import Redirector, unwrap
from aggregator.urls import Split, split

MAX_HOPS = 5  # redirectors within redirectors
MAX_FOLDED = 2048  # characters of a path whose AMP forms and endings are looked for, again and again
MAX_SUBJECT = 1024  # characters of a path or value that a publisher's pattern may see

Decoding = Literal["none", "base62_upper", "base62_lower", "hex"]

_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALPHABETS = {
    "base62_upper": {c: i for i, c in enumerate(_DIGITS + _UPPER + _UPPER.lower())},
    "base62_lower": {c: i for i, c in enumerate(_DIGITS + _UPPER.lower() + _UPPER)},
    "hex": {c: int(c, 16) for c in "0123456789abcdefABCDEF"},
}


# --- records ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPattern:
    """One form of a publisher's addresses, which contains the article's number in the group "id" of a pattern.

    `path` must match the whole path in normal form, and each pattern of `params` the whole value of the parameter.
    Exactly one of them has the group "id". `hosts` limits the form to these hosts; empty: all hosts of the publisher.
    `decode` tells how the number is written.
    """

    path: Pattern
    params: tuple[tuple[str, Pattern], ...] = ()
    hosts: frozenset[str] = frozenset()
    decode: Decoding = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRule:
    """The part of a publisher's rule that decides keys. The host "*.example.org" means every name below it."""

    name: str
    hosts: tuple[str, ...]
    drop_params: frozenset[str] = frozenset()
    keep_params: frozenset[str] = frozenset()
    ids: tuple[IdPattern, ...] = ()
    per_host: bool = False  # numbers are unique within one host only


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The rules that hold at all sites. They are read from hosts.toml, tracking.toml and redirectors.toml."""

    host_prefixes: frozenset[str] = frozenset()
    host_aliases: Mapping[str, str] = field(default_factory=dict)
    host_suffixes: Mapping[str, str] = field(default_factory=dict)
    drop_params: frozenset[str] = frozenset()
    drop_prefixes: tuple[str, ...] = ()
    drop_values: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    redirectors: Mapping[str, tuple[Redirector, ...]] = field(default_factory=dict)  # by folded host or "*." and parent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyRules:
    """All rules that decide keys. Instances are compared by identity, so that `make_key` can cache its results."""

    tables: Tables = Tables()
    sites: Mapping[str, SiteRule] = field(default_factory=dict)  # by folded host, or "*." and its parent
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The rules that apply at one host."""

    host: str  # folded, as in keys
    rule: SiteRule | None
    redirectors: tuple[Redirector, ...]


# --- the key ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)  # see urls.split
def make_key(url: str, rules: KeyRules) -> tuple[str | None, str]:
    """Return the key of `url` and the names of the rules that gave it. If `url` has no key: None and "no-url".

    A publisher's key is "name:id", or "name:host:id" if its numbers are unique within a host only. A generic key looks
    like an address, but is never fetched. It consists of "https://", the host in normal form, a port other than 80 and
    443, path, query, and a fragment that begins with "!" or "/".
    """
    parts = split(url)
    if parts is None:
        return None, "no-url"
    via: list[str] = []
    here, site = parts, site_of(parts.host, rules)
    while site.redirectors and (inner := _unwrap(here, site.redirectors)) is not None:
        if len(via) == MAX_HOPS:  # too many: the address is used as it is, since the key of a key must be the same key
            here, site, via = parts, site_of(parts.host, rules), []
            break
        here, name = inner
        via.append(name)
        site = site_of(here.host, rules)
    key, name = _key_of(here, site, rules.tables)
    return key, ">".join([*via, name])


@lru_cache(maxsize=16_384)
def site_of(host: str, rules: KeyRules) -> Site:
    """Return the rules for a host name (ASCII, lower case, without port)."""
    folded = fold_host(host, rules.tables)
    names = [folded, *_parents(folded)]
    rule = next((rules.sites[name] for name in names if name in rules.sites), None)
    redirectors = next((rules.tables.redirectors[name] for name in names if name in rules.tables.redirectors), ())
    return Site(host=folded, rule=rule, redirectors=redirectors)


def fold_host(host: str, tables: Tables) -> str:
    """Return the form of a host in keys: without prefixes such as "www." and "m."; an alias becomes its main host.

    >>> fold_host("www.m.example.org", Tables(host_prefixes=frozenset({"www", "m"})))
    'example.org'
    """
    for _ in range(8):  # ends even if the table has a circle of aliases
        alias = tables.host_aliases.get(host) or _suffix_alias(host, tables.host_suffixes)
        if alias is not None:
            host = alias
            continue
        labels = host.split(".")
        if len(labels) > 2 and labels[0] in tables.host_prefixes and not _is_suffix(labels[1:]):
            host = ".".join(labels[1:])
        elif len(labels) > 3 and labels[1] == "m" and 2 <= len(labels[0]) <= 3:  # de.m.wikipedia.org
            host = ".".join([labels[0], *labels[2:]])
        else:
            break
    return host


def fold_path(path: str, *, amp: bool = True) -> str:
    """Return a path in normal form; "/" if nothing is left.

    Escapes are written in one way. These are removed: final and doubled slashes, dot segments, session ids, ".html",
    "/index.html", a leading "/m/" or "/index.php/", the "/print" of an article, and AMP forms unless `amp` is False.
    From a very long path only slashes, dot segments and session ids are removed.

    >>> fold_path("/News//2020/%C3%A9t%C3%A9.html/amp/")
    '/News/2020/%C3%A9t%C3%A9'
    """
    path = path.rstrip("/") if _PLAIN_PATH.fullmatch(path) else _fold_odd_path(path)
    while len(path) <= MAX_FOLDED:
        before = path
        if amp and "amp" in path.lower():
            path = _strip_amp(path)
        if path.startswith("/m/"):
            path = _MOBILE_PATH.sub("", path)
        if path.startswith("/index.php/"):  # WordPress, Joomla and MediaWiki without rewritten addresses
            path = path[10:]
        if path.endswith("/print"):
            path = _strip_print(path)
        if path.endswith(_PAGE_ENDINGS):
            path = path[: path.rindex("/")].rstrip("/") if _INDEX_FILE.search(path) else _PAGE_ENDING.sub("", path)
        if path == before:
            break
    return path or "/"


def decode_base62(code: str, decoding: Decoding = "base62_upper") -> int:
    """Return the number that `code` spells with the digits 0-9A-Za-z (`base62_lower`: 0-9a-zA-Z, `hex`: 0-9a-f).

    Deutsche Welle short links contain the content id in this form (seen 2022-11-11 on p.dw.com/p/4JNNH).

    >>> decode_base62("4JNNH")
    63723431

    Raises:
        ValueError: `code` is empty, longer than 64 characters, or has another character.
    """
    digits = _ALPHABETS[decoding]
    if not 0 < len(code) <= 64 or not digits.keys() >= set(code):
        raise ValueError(f"no number in base {decoding}: {code[:64]!r}")
    base = 16 if decoding == "hex" else 62
    number = 0
    for character in code:
        number = number * base + digits[character]
    return number


# --- unwrapping -------------------------------------------------------------------------------------------------------


def _unwrap(parts: Split, redirectors: tuple[Redirector, ...]) -> tuple[Split, str] | None:
    path = fold_path(parts.path, amp=False)
    for redirector in redirectors:
        target = unwrap(redirector, path, parts.query)
        if target and (inner := split(target)) is not None:
            return inner, redirector.name
    return None


def _parents(host: str) -> list[str]:
    labels = host.split(".")
    return ["*." + ".".join(labels[i:]) for i in range(1, len(labels))]


def _is_suffix(labels: list[str]) -> bool:
    """Return whether the labels of a host look like a public suffix such as "co.uk"."""
    return len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVEL


_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "ne", "net", "nom", "or", "org"})


def _suffix_alias(host: str, suffixes: Mapping[str, str]) -> str | None:
    labels = host.split(".")
    for size in (3, 2):
        if len(labels) > size and (target := suffixes.get(".".join(labels[-size:]))):
            return ".".join([*labels[:-size], target])
    return None


# --- the key of one address -------------------------------------------------------------------------------------------


def _key_of(parts: Split, site: Site, tables: Tables) -> tuple[str, str]:
    path = fold_path(parts.path, amp=not site.redirectors)
    items: list[tuple[str, str]] = []
    fragment = parts.fragment or ""
    if parts.query:
        items, escaped = _fold_query(parts.query, site.rule, tables)
        fragment = f"!{escaped}" if escaped else fragment
    rule = site.rule
    if rule is not None:
        number = _find_id(rule, site.host, path, items)
        if number is not None:
            return f"{rule.name}:{site.host}:{number}" if rule.per_host else f"{rule.name}:{number}", rule.name
    port = "" if parts.port in (80, 443) else f":{parts.port}"
    key = f"https://{site.host}{port}{path}"
    if items:
        key += "?" + "&".join(f"{name}={value}" if value else name for name, value in items)
    if len(fragment) > 1 and fragment[0] in "!/":  # an application's address; others are places on a page
        key += "#" + fold_escapes(fragment, FRAGMENT_SAFE)
    return key, "generic" if rule is None else rule.name


def _find_id(rule: SiteRule, host: str, path: str, items: list[tuple[str, str]]) -> str | None:
    if len(path) > MAX_SUBJECT:
        return None
    for pattern in rule.ids:
        if pattern.hosts and host not in pattern.hosts:
            continue
        found = pattern.path.groups_of(path)
        if found is None:
            continue
        values = dict(reversed(items))
        for name, value_pattern in pattern.params:
            value = values.get(name)
            more = None if value is None or len(value) > MAX_SUBJECT else value_pattern.groups_of(value)
            if more is None:
                break
            found |= more
        else:
            return _decode(found["id"], pattern.decode)
    return None


def _decode(code: str, decoding: Decoding) -> str | None:
    if decoding == "none":
        return code
    try:
        return str(decode_base62(code, decoding))
    except ValueError:  # the pattern matched characters that are no digits
        return None


# --- path -------------------------------------------------------------------------------------------------------------

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~][A-Za-z0-9._~,-]*)*/?")
_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;]*", re.IGNORECASE)
_LOST_QUERY = re.compile(r"&(?:amp;)?utm_.*", re.IGNORECASE | re.DOTALL)  # appended without the "?"
_PAGE_ENDINGS = (".html", ".htm", ".shtml", "/index.php")
_PAGE_ENDING = re.compile(r"(?<=[A-Za-z0-9_)])\.s?html?$")  # "/a.html" and its AMP form "/a.amp" or "/a/amp"
_INDEX_FILE = re.compile(r"/index\.(?:html?|php)$")
_MOBILE_PATH = re.compile(r"^/m(?=/[^/]+/)")
_AMP_TAIL = re.compile(
    r"/amp(?:html)?(?:/1)?$|/amp\.html?$|/index\.amp$|(?<=[a-z0-9])(?:[.!]amp$|[._~]amp(?=\.(?:s?html?|php|aspx?|cms|ece)$))",
    re.IGNORECASE,
)
_AMP_SEGMENT = re.compile(r"(?:/platform)?/amp(?:html)?(?=/)", re.IGNORECASE)
_AMP_AFFIX = re.compile(r"(?<=[a-z])-amp(?=/[^/]+/)|(?<=/)amp[_-](?=[a-z]+/)|(?<=/story)-amp(?=\.s?html?$)")


def _fold_odd_path(path: str) -> str:
    path = _LOST_QUERY.sub("", _SESSION.sub("", path))
    folded: list[str] = []
    for segment in fold_escapes(path, PATH_SAFE).split("/"):
        if segment == "..":
            del folded[-1:]
        elif segment not in ("", ".", "-"):  # "-" stands where other forms have "amp" or a section
            folded.append(segment)
    return "".join(f"/{segment}" for segment in folded)


def _strip_amp(path: str) -> str:
    """Remove the parts of a path that only mark AMP. If nothing else would be left ("/amp"), the path is unchanged."""
    stripped = _AMP_AFFIX.sub("", _AMP_SEGMENT.sub("", _AMP_TAIL.sub("", path).rstrip("/")))
    return stripped or path


_ARTICLE_SEGMENT = re.compile(r"[0-9]{5}|(?:[^\W_]+[-_]){3}[^\W_]")


def _strip_print(path: str) -> str:
    """Remove the end of a path that asks for an article's print view: WP-Print, Discourse, Drupal's Printable.

    "/print" stays unless the segment before it looks like an article's: by five digits or four words.

    >>> _strip_print("/node/12/printable/print"), _strip_print("/services/print")
    ('/node/12', '/services/print')
    """
    head = path[: -len("/print")]
    if head.endswith("/printable"):
        return head[: -len("/printable")]
    return head if _ARTICLE_SEGMENT.search(head.rpartition("/")[2]) else path


# --- query ------------------------------------------------------------------------------------------------------------

_PLAIN_QUERY = re.compile(r"[A-Za-z0-9_.~&=-]*")


def _fold_query(query: str, rule: SiteRule | None, tables: Tables) -> tuple[list[tuple[str, str]], str]:
    """Return the parameters of a query that belong in the key, sorted by name, and the `_escaped_fragment_` or "".

    The parameter `_escaped_fragment_` stands for a fragment that begins with "#!"
    (https://developers.google.com/search/docs/ajax-crawling, retired 2015).
    """
    plain = _PLAIN_QUERY.fullmatch(query) is not None
    items: list[tuple[str, str]] = []
    escaped = ""
    for item in query.split("&"):
        name, _, value = item.partition("=")
        if not plain:
            while "?" in value and _is_dropped(*_second_query(value), rule, tables):
                value = value[: value.rindex("?")]
            name, value = _fold_item(name, value)
        if not name or _is_dropped(name, value, rule, tables):
            continue
        if name == "_escaped_fragment_":
            escaped = unquote(value)
        else:
            items.append((name, value))
    if len(items) > 1:
        items.sort(key=itemgetter(0))
    return items, escaped


def _second_query(value: str) -> tuple[str, str]:
    name, _, value = value[value.rindex("?") + 1 :].partition("=")
    return name, value


def _fold_item(name: str, value: str) -> tuple[str, str]:
    name = fold_escapes(name.replace("+", "%20"), QUERY_SAFE)
    while name[:4].lower() == "amp;":  # "&amp;" that was escaped once too often
        name = name[4:]
    return name, fold_escapes(value.replace("+", "%20"), QUERY_SAFE)


def _is_dropped(name: str, value: str, rule: SiteRule | None, tables: Tables) -> bool:
    name = name.lower()
    if rule is not None:
        if name in rule.keep_params:
            return False
        if name in rule.drop_params:
            return True
    if name in tables.drop_params or name.startswith(tables.drop_prefixes):
        return True
    values = tables.drop_values.get(name)
    return values is not None and len(value) <= MAX_SUBJECT and values.fullmatch(value.lower()) is not None
