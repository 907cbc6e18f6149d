"""Decompresses answers (Content-Encoding, RFC 9110, 8.4) within a limit: the gzip bomb limit.

A decompression bomb costs no more memory than the limit, since each coding is decompressed in small pieces and the
pieces are counted. The limits are `[http] max_feed_size` and `max_page_size`. `feeds/repair.py` has the limit for
compressed feeds that come without a Content-Encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from aggregator.compression import CODINGS, GZIP_MAGIC, DecompressionError, decompress
from aggregator.http.causes import NetworkError
from aggregator.models.fetching import Cause

ACCEPT_ENCODING = "gzip, deflate, br, zstd"
_MAX_LAYERS = 3
_HEAD_BYTES = 64
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ALIASES = {"x-gzip": "gzip", "x-deflate": "deflate"}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def inflate(chunks: Iterable[bytes], content_encoding: str, max_bytes: int, *, cut: bool = False) -> bytes:
    """Return the body in `chunks` with the codings of `content_encoding` (the header's value) undone.

    The result has at most `max_bytes`. With `cut`, a longer body is cut off there; otherwise it is refused. A body that
    is not encoded stays as it is, even if the header names a coding. A gzip body is decompressed, even if the header
    names none.

    Raises:
        NetworkError: the body is too large as sent or decompressed, is damaged or cut off, or has an unknown coding.
    """
    source = _limited(iter(chunks), max_bytes)
    head = _read_head(source)
    stream: Iterator[bytes] = chain([head], source)
    for coding in _layers(content_encoding, head):
        stream = _limited(_decode(stream, coding), max_bytes)
    if not cut:
        return b"".join(stream)
    return _take(stream)


def _take(stream: Iterator[bytes]) -> bytes:
    body = b""
    try:
        for piece in stream:
            body += piece
    except NetworkError as error:
        if error.cause is not Cause.TOO_LARGE:
            raise
    return body


def _layers(content_encoding: str, head: bytes) -> tuple[str, ...]:
    """Return the content codings of a body in the order in which they are undone; `head` is its beginning, as sent.

    Raises:
        NetworkError: there are more than three codings, or one is unknown.
    """
    named = (part.strip() for part in content_encoding.lower().split(","))
    codings = [_ALIASES.get(name, name) for name in named if name not in ("", "identity")]
    if len(codings) > _MAX_LAYERS:
        raise NetworkError(Cause.BAD_ENCODING, f"{len(codings)} content codings")
    if head.startswith(GZIP_MAGIC):
        if not codings or codings[-1] not in CODINGS:
            return ("gzip",)
    elif not codings or _is_plain(head, codings[-1]):
        return ()
    if unknown := [coding for coding in codings if coding not in CODINGS]:
        raise NetworkError(Cause.BAD_ENCODING, f"content coding {unknown[0][:40]!r} is not known")
    return tuple(reversed(codings))


def _is_plain(head: bytes, coding: str) -> bool:
    """Return whether a body that starts with `head` is not encoded, although its header names `coding`."""
    head = head[:_HEAD_BYTES]
    if not head or _CONTROL.search(head):
        return not head
    if coding in ("br", "deflate"):  # these have no magic bytes, so the text must be ASCII and long enough
        return head.isascii() and (len(head) >= 16 or head.lstrip()[:1] == b"<")
    return not head.startswith((GZIP_MAGIC, _ZSTD_MAGIC))


def _read_head(source: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < _HEAD_BYTES:
        chunk = next(source, None)
        if chunk is None:
            break
        head += chunk
    return head


def _limited(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        if total + len(chunk) > max_bytes:
            yield chunk[: max_bytes - total]
            raise NetworkError(Cause.TOO_LARGE, f"more than {max_bytes} bytes")
        total += len(chunk)
        yield chunk


def _decode(chunks: Iterator[bytes], coding: str) -> Iterator[bytes]:
    try:
        yield from decompress(chunks, coding)
    except DecompressionError as error:
        raise NetworkError(Cause.TRUNCATED if error.is_cut_off else Cause.BAD_ENCODING, str(error)) from error
