"""Decompresses in pieces of 64 KiB, so that a caller can stop: gzip, deflate (zlib and raw), br and zstd.

All decompression of bytes from outside happens here, by urllib3's decoders. `zstd` is the one library for HTTP and the
raw store. Each caller has its own gzip bomb limit, the most bytes that it accepts after decompression:

* `http/content_coding.py`, answers: `[http] max_feed_size` or `max_page_size`; robots.txt: twice `robots.MAX_BYTES`.
* `feeds/repair.py`, a feed that is itself a gzip file: `MAX_INFLATED_BYTES`.
* `cli/inputs.py`, files that a command reads: `_LARGEST_FILE`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import brotli
from urllib3.exceptions import DecodeError
from urllib3.response import (
    BrotliDecoder,
    ContentDecoder,
    DeflateDecoder,
    GzipDecoder,
    GzipDecoderState,
    ZstdDecoder,
)

from aggregator.errors import AggregatorError

if sys.version_info >= (3, 14):  # pragma: no cover - urllib3 makes the same choice
    from compression import zstd
else:
    from backports import zstd

__all__ = ["CODINGS", "GZIP_MAGIC", "DecompressionError", "decompress", "zstd"]

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_PIECE_BYTES: Final = 65_536
_DECODERS: Final[dict[str, Callable[[], ContentDecoder]]] = {
    "gzip": GzipDecoder,
    "deflate": DeflateDecoder,
    "br": BrotliDecoder,
    "zstd": ZstdDecoder,
}
CODINGS: Final = frozenset(_DECODERS)


class DecompressionError(AggregatorError):
    """Compressed bytes are damaged, or end too early (`is_cut_off`)."""

    def __init__(self, coding: str, problem: str, *, is_cut_off: bool) -> None:
        super().__init__(f"{coding}: {problem}")
        self.is_cut_off = is_cut_off


def decompress(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield the content of `chunks`, which are compressed in `coding` (one of `CODINGS`), in pieces of 64 KiB at most.

    There is no limit on the whole: the caller counts the bytes. Several gzip members or zstd frames give one content.
    Other bytes after the end of gzip, deflate and br are ignored.

    Raises:
        DecompressionError: the bytes are damaged or cut off.
    """
    decoder = _DECODERS[coding]()
    try:
        for chunk in chunks:
            yield from _pieces(decoder, chunk)
        if not _saw_end(decoder) and (rest := decoder.flush()):
            yield rest
    except (zlib.error, brotli.error, zstd.ZstdError) as error:
        raise DecompressionError(coding, str(error), is_cut_off=False) from error
    except DecodeError as error:
        raise DecompressionError(coding, "is cut off", is_cut_off=True) from error
    if not _saw_end(decoder):
        raise DecompressionError(coding, "is cut off", is_cut_off=True)


def _pieces(decoder: ContentDecoder, chunk: bytes) -> Iterator[bytes]:
    if isinstance(decoder, BrotliDecoder) and _saw_end(decoder):
        return
    piece = decoder.decompress(chunk, _PIECE_BYTES)
    while piece or decoder.has_unconsumed_tail:
        if piece:
            yield piece
        if isinstance(decoder, BrotliDecoder) and _saw_end(decoder):
            return
        piece = decoder.decompress(b"", _PIECE_BYTES)


def _saw_end(decoder: ContentDecoder) -> bool:
    """Return whether the decoder has read the end mark of the compressed data.

    Only the decompressor inside urllib3's decoder knows this.
    """
    match decoder:
        case BrotliDecoder():
            return bool(decoder._obj.is_finished())
        case GzipDecoder() if decoder._state == GzipDecoderState.SWALLOW_DATA:
            return True  # the bytes after the last member are no gzip
        case GzipDecoder() | DeflateDecoder() | ZstdDecoder():
            return decoder._obj.eof
        case _:
            raise AssertionError(decoder)
