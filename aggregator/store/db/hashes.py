"""Short names for long things, 16 bytes each, beside `identify.key_hash`. Pure; the values are stored for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
_BATCHES = (1, 4, 16, 64, 256)  # few sizes, so that few statements are prepared


def entry_hash(entry_id: str) -> bytes:
    """Return the hash of an entry's id, which may be of any length."""
    return _hash(entry_id, b"entry")


def text_hash(text: str) -> bytes:
    """Return the hash of the words of a title or a body: case and white space do not count."""
    return _hash(" ".join(text.split()).casefold(), b"text")


def _hash(text: str, kind: bytes) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=kind).digest()


def batches(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield the distinct values in lists of a few sizes for `IN (...)`, filled up with the last one."""
    distinct = list(dict.fromkeys(values))
    largest = _BATCHES[-1]
    for start in range(0, len(distinct), largest):
        batch = distinct[start : start + largest]
        size = next(size for size in _BATCHES if size >= len(batch))
        yield batch + batch[-1:] * (size - len(batch))
