"""Finds the site of an address or a key: the domain whose pages one publisher writes. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from aggregator.identity.keys import make_key
from aggregator.identity.publisher_rules import Publishers, publisher_of
from aggregator.models.ids import Key
from aggregator.urls import host_of, registrable_domain

_GENERIC = re.compile(r"https://.*", re.DOTALL)
_NAME = re.compile(r"(?=.*[a-z])[^.\[]+\..+")
_DEFAULT_PORT = re.compile(r":(?:80|443)$")

End = tuple[Key, str]  # key and site


def end_of(url: str, publishers: Publishers) -> End | None:
    """Return key and site of `url`; None: `url` has no key, because it is no usable http(s) address."""
    key = make_key(url, publishers.key_rules)[0]
    return None if key is None else (Key(key), _site_of_key(key, publishers))


@lru_cache(maxsize=1024)  # see urls.split
def site_of_url(url: str, publishers: Publishers) -> str:
    """Return the site of a URL: the registrable domain of its host.

    If the host has no such domain (an IP address, a name without a dot), it is the host, with any port but the default.
    If a publisher's rule covers the host, the site is the registrable domain of the rule's first host, so all its hosts
    are one site. A rule with `per_host`, or whose first host begins with "*.", does not count.
    """
    host = host_of(url)
    publisher = publisher_of(publishers, host)
    if publisher is None or publisher.site.per_host or publisher.site.hosts[0].startswith("*."):
        domain = registrable_domain(host)
        return domain if _NAME.fullmatch(domain) else _DEFAULT_PORT.sub("", host)
    return registrable_domain(publisher.site.hosts[0])


def _site_of_key(key: str, publishers: Publishers) -> str:
    """Return the site of a key. If the key is a publisher's number ("dw:63723431"), it is that publisher's site."""
    if _GENERIC.fullmatch(key):
        return site_of_url(key, publishers)
    name, *host, _ = key.split(":")
    return registrable_domain(host[0] if host else publishers.by_name[name].site.hosts[0])
