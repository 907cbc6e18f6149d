"""Makes the key of a URL. Two URLs with one key lead to one article. Pure, without network; never raises on any string.

`keys` has the steps and their order; the rules come from `publisher_rules`. Keys of different `key_version` must not be
compared: recompute them from the stored addresses.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from aggregator.identity.keys import make_key
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.ids import ArticleId, Identity, Key

_MOST_PARAMETERS = 40  # each further one costs a look-up
_STEPS_VERSION = 2  # raised when `keys` or `unwrap` give another key for any address


def identify(url: str, publishers: Publishers) -> Identity:
    """Return the key of `url` and the names of the rules that gave it.

    The names are like "generic", "dw", or "google>generic" (the target of a Google redirect, by the generic rule). If
    `url` is no http(s) URL with a usable host, the key is None and the rule "no-url". Pass `url` with its fragment,
    since some applications address articles by it.
    """
    key, rule = make_key(url, publishers.key_rules)
    return Identity(url=url, key=None if key is None else Key(key), rule=rule)


def without_idle_parameters(url: str, publishers: Publishers) -> str:
    """Return an address without the parameters that do not change its key, such as tracking.

    An address without a key, or with very many parameters, is returned unchanged.
    """
    address, hash_mark, fragment = url.partition("#")
    path, _, query = address.partition("?")
    items = query.split("&")
    key = identify(url, publishers).key
    if not query or key is None or len(items) > _MOST_PARAMETERS:
        return url
    for index in reversed(range(len(items))):
        fewer = items[:index] + items[index + 1 :]
        shorter = f"{path}{'?' if fewer else ''}{'&'.join(fewer)}{hash_mark}{fragment}"
        if identify(shorter, publishers).key == key:
            items, url = fewer, shorter
    return url


def key_version(publishers: Publishers) -> str:
    """Return the version of all keys: that of the steps in `keys`, and a hash of the active rules and tables."""
    return f"{_STEPS_VERSION}-{publishers.key_rules.digest}"


@lru_cache(maxsize=4096)  # an address is hashed ten times between its entry and the store
def key_hash(text: str) -> bytes:
    """Return the 16-byte hash of a key or an address. The table of aliases stores such hashes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=4096)
def article_id(key: Key) -> ArticleId:
    """Return the id of a new article whose first key is `key`: 16 hexadecimal digits."""
    return ArticleId(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest())
