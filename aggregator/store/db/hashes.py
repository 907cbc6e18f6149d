"""16-byte hashes of entry ids and of texts, by which rows are found. They are stored: never change them. Pure."""

from __future__ import annotations

import hashlib


def entry_hash(entry_id: str) -> bytes:
    """Return the hash of an entry's id, which may be of any length."""
    return _hash(entry_id, b"entry")


def text_hash(text: str) -> bytes:
    """Return the hash of the words of a title or a body, without case and white space."""
    return _hash(" ".join(text.split()).casefold(), b"text")


def _hash(text: str, kind: bytes) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=kind).digest()
