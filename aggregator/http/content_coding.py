"""Content codings undone in small steps, so that a bomb costs no more memory than its cap.

Knows gzip, deflate (zlib and raw), br and zstd, alone and stacked; nothing else is ever offered to a server.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import brotli
import zstandard

from aggregator.errors import AggregatorError
from aggregator.models.fetching import Cause

ACCEPT_ENCODING = "gzip, deflate, br, zstd"
_STEP_BYTES = 65_536  # inflated at once
_ZSTD_INPUT_BYTES = (
    256  # one block of 4 bytes may become 128 KiB, and the library has no limit on output: 8 MiB at most
)
_ZSTD_WINDOW_BYTES = 8 << 20  # RFC 9659, 3
_MAX_LAYERS = 3
_HEAD_BYTES = 64
_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ALIASES = {"x-gzip": "gzip", "x-deflate": "deflate"}
_CODINGS = frozenset({"gzip", "deflate", "br", "zstd"})
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class InflateError(AggregatorError):
    """A body that cannot be inflated; `cause` is too_large, bad_encoding or truncated."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


class _Decoder(Protocol):
    """One coding being undone."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` inflates to, in bounded pieces."""
        ...

    def is_complete(self) -> bool:
        """Return whether the coding's own end was seen."""
        ...


def inflate(chunks: Iterable[bytes], content_encoding: str, max_bytes: int, *, cut: bool = False) -> bytes:
    """Return the body that `chunks` carry under `content_encoding` (RFC 9110, 8.4), never more than `max_bytes`.

    Codings that were declared and not applied are forgiven, and so is gzip that was applied and not declared. With
    `cut` a longer body is no error: its first `max_bytes` are returned.

    Raises:
        InflateError: more than `max_bytes` on the wire or inflated, broken, cut off, or of a coding we do not know.
    """
    source = _limited(iter(chunks), max_bytes)
    head = _read_head(source)
    stream: Iterator[bytes] = _prepend(head, source)
    for coding in _layers(content_encoding, head):
        stream = _limited(_decode(stream, _new_decoder(coding), coding), max_bytes)
    if not cut:
        return b"".join(stream)
    return _take(stream)


def _take(stream: Iterator[bytes]) -> bytes:
    body = b""
    try:
        for piece in stream:
            body += piece
    except InflateError as error:
        if error.cause is not Cause.TOO_LARGE:
            raise
    return body


def _layers(content_encoding: str, head: bytes) -> tuple[str, ...]:
    """Return the codings to undo, outermost first."""
    named = (part.strip() for part in content_encoding.lower().split(","))
    codings = [_ALIASES.get(name, name) for name in named if name not in ("", "identity")]
    if len(codings) > _MAX_LAYERS:
        raise InflateError(Cause.BAD_ENCODING, f"{len(codings)} content codings")
    if head.startswith(_GZIP_MAGIC):
        return tuple(reversed(codings)) if codings and codings[-1] in _CODINGS else ("gzip",)
    if not codings or _is_plain(head, codings[-1]):
        return ()
    if unknown := [coding for coding in codings if coding not in _CODINGS]:
        raise InflateError(Cause.BAD_ENCODING, f"content coding {unknown[0][:40]!r} is not known")
    return tuple(reversed(codings))


def _is_plain(head: bytes, coding: str) -> bool:
    """Return whether a body that starts with `head` was never encoded, whatever its header says."""
    head = head[:_HEAD_BYTES]
    if not head or _CONTROL.search(head):
        return not head
    if coding in ("br", "deflate"):  # without a magic: nothing but ASCII, and enough of it
        return head.isascii() and (len(head) >= 16 or head.lstrip()[:1] == b"<")
    return not head.startswith((_GZIP_MAGIC, _ZSTD_MAGIC))


def _read_head(source: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < _HEAD_BYTES:
        chunk = next(source, None)
        if chunk is None:
            break
        head += chunk
    return head


def _prepend(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _limited(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        if total + len(chunk) > max_bytes:
            yield chunk[: max_bytes - total]
            raise InflateError(Cause.TOO_LARGE, f"more than {max_bytes} bytes")
        total += len(chunk)
        yield chunk


def _decode(chunks: Iterator[bytes], decoder: _Decoder, coding: str) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            yield from decoder.decode(chunk)
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise InflateError(Cause.BAD_ENCODING, f"{coding}: {error}") from error
    if not decoder.is_complete():
        raise InflateError(Cause.TRUNCATED, f"{coding}: ends before its end")


def _new_decoder(coding: str) -> _Decoder:
    match coding:
        case "gzip":
            return _Gzip()
        case "deflate":
            return _Deflate()
        case "br":
            return _Brotli()
        case _:
            return _Zstd()


class _Gzip:
    """RFC 1952: members one after the other; what follows the last and is no member is ignored, as gzip(1) does."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._held = b""
        self._trailing = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        data = self._held + data
        self._held = b""
        while data and not self._trailing:
            if self._member.eof:
                if len(data) < len(_GZIP_MAGIC) and _GZIP_MAGIC.startswith(data):
                    self._held = data
                    return
                if not data.startswith(_GZIP_MAGIC):
                    self._trailing = True
                    return
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            piece = self._member.decompress(data, _STEP_BYTES)
            if piece:
                yield piece
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def is_complete(self) -> bool:
        return self._member.eof


class _Deflate:
    """RFC 9110, 8.4.1.2 means zlib (RFC 1950); many servers send the bare stream (RFC 1951)."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self._held = b""

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            data = self._held + data
            if len(data) < 2:
                self._held = data
                return
            has_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        while data and not self._stream.eof:
            piece = self._stream.decompress(data, _STEP_BYTES)
            if piece:
                yield piece
            data = self._stream.unconsumed_tail

    def is_complete(self) -> bool:
        return self._stream is not None and self._stream.eof


class _Brotli:
    """RFC 7932; the window is 16 MiB at most."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._stream.is_finished():
            return
        piece = self._stream.process(data, output_buffer_limit=_STEP_BYTES)
        while piece:
            yield piece
            if self._stream.is_finished():
                return
            piece = self._stream.process(b"", output_buffer_limit=_STEP_BYTES)

    def is_complete(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd:
    """RFC 8878: frames one after the other, their window no larger than a browser takes."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._frame = self._context.decompressobj()

    def decode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_INPUT_BYTES):
            part = data[start : start + _ZSTD_INPUT_BYTES]
            while part:
                if self._frame.eof:
                    self._frame = self._context.decompressobj()
                piece = self._frame.decompress(part)
                if piece:
                    yield piece
                part = self._frame.unused_data if self._frame.eof else b""

    def is_complete(self) -> bool:
        return bool(self._frame.eof)
