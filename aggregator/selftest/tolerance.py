"""Scenarios: faults of a server that are tolerated, and others. Each returns what went wrong; "" if nothing did."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli

from aggregator.compression import zstd
from aggregator.models.fetching import Cause
from aggregator.selftest.scenario import FEED, ScenarioClient, expect_body, expect_cause
from aggregator.selftest.server import Peer, head

_LENGTH = f"Content-Length: {len(FEED)}"
_LONG_FEED = FEED + b"<!-- " + b"x" * 50_000 + b" -->"


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def _sends(*pieces: bytes) -> Callable[[Peer], None]:
    return lambda peer: peer.send(*pieces)


def _encoded(coding: str, body: bytes) -> Callable[[Peer], None]:
    return lambda peer: peer.answer(body=body, headers=(f"Content-Encoding: {coding}",))


def _try_all(
    client: ScenarioClient,
    scripts: dict[str, Callable[[Peer], None]],
    check: Callable[[ScenarioClient, Callable[[Peer], None]], str],
) -> str:
    complaints = ((name, check(client, script)) for name, script in scripts.items())
    return next((f"{name}: {complaint}" for name, complaint in complaints if complaint), "")


def _reads_feed(client: ScenarioClient, script: Callable[[Peer], None]) -> str:
    return expect_body(client.fetch(script))


def _reads_long_feed(client: ScenarioClient, script: Callable[[Peer], None]) -> str:
    return expect_body(client.fetch(script), _LONG_FEED)


def _refuses(*causes: Cause) -> Callable[[ScenarioClient, Callable[[Peer], None]], str]:
    return lambda client, script: expect_cause(client.fetch(script), *causes)


# --- tolerated faults -------------------------------------------------------------------------------------------------


def codings(client: ScenarioClient) -> str:
    """Every offered content coding is decoded, alone and combined."""
    scripts = {
        "gzip": _encoded("gzip", gzip.compress(_LONG_FEED)),
        "x-gzip": _encoded("X-GZip", gzip.compress(_LONG_FEED)),
        "members": _encoded("gzip", gzip.compress(_LONG_FEED[:100]) + gzip.compress(_LONG_FEED[100:])),
        "trailing zeros": _encoded("gzip", gzip.compress(_LONG_FEED) + bytes(100)),
        "deflate": _encoded("deflate", zlib.compress(_LONG_FEED)),
        "raw deflate": _encoded("deflate", _raw_deflate(_LONG_FEED)),
        "br": _encoded("br", brotli.compress(_LONG_FEED)),
        "zstd": _encoded("zstd", zstd.compress(_LONG_FEED)),
        "gzip, br": _encoded("gzip, br", brotli.compress(gzip.compress(_LONG_FEED))),
        "identity": _encoded("identity", _LONG_FEED),
    }
    return _try_all(client, scripts, _reads_long_feed)


def codings_misdeclared(client: ScenarioClient) -> str:
    """A content coding that was declared but not applied, or applied but not declared, is tolerated."""
    scripts = {coding: _encoded(coding, _LONG_FEED) for coding in ("gzip", "deflate", "br", "zstd", "UTF-8", "none")}
    scripts["undeclared"] = lambda peer: peer.answer(body=gzip.compress(_LONG_FEED))
    return _try_all(client, scripts, _reads_long_feed)


def framings(client: ScenarioClient) -> str:
    """Bodies that end by length, by chunks, or with the connection are read."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, FEED[i : i + 1]) for i in range(len(FEED)))
    chunked = head(200, ["Transfer-Encoding: chunked"])
    scripts = {
        "chunks": _sends(chunked, chunks, b"0\r\n\r\n"),
        "chunks and length": _sends(
            head(200, ["Content-Length: 3", "Transfer-Encoding: Chunked"]), chunks, b"0\r\n\r\n"
        ),
        "chunk extensions": _sends(chunked, b"%x;a=b\r\n%b\r\n0;c\r\nX: y\r\n\r\n" % (len(FEED), FEED)),
        "until close": _sends(head(), FEED),
        "HTTP/1.0": _sends(b"HTTP/1.0 200 OK\r\n\r\n", FEED),
        "bytes after the end": _sends(head(200, [_LENGTH]), FEED, b"junk"),
        "length that is no number": _sends(head(200, ["Content-Length: many"]), FEED),
        "length said twice": _sends(head(200, [_LENGTH, _LENGTH]), FEED),
    }
    return _try_all(client, scripts, _reads_feed)


def odd_heads(client: ScenarioClient) -> str:
    """Malformed headers that browsers accept are accepted."""
    many = [f"X-{number}: y" for number in range(500)]
    scripts = {
        "no reason": _sends(b"HTTP/1.1 200\r\n\r\n", FEED),
        "bare line ends": _sends(head(200, [_LENGTH]).replace(b"\r\n", b"\n"), FEED),
        "blank line first": _sends(b"\r\n" + head(200, [_LENGTH]), FEED),
        "line without colon": _sends(head(200, ["nonsense", _LENGTH]), FEED),
        "blank before colon": _sends(head(200, [_LENGTH.replace(":", " :")]), FEED),
        "folded": _sends(head(200, ["X: a", "\tb", _LENGTH]), FEED),
        "folded first": _sends(head(200, ["  lost", _LENGTH]), FEED),
        "names without value": _sends(head(200, ["ETag:", ": value", _LENGTH]), FEED),
        "five hundred": _sends(head(200, [*many, _LENGTH]), FEED),
        "bytes beyond ASCII": _sends(head(200, ["X-\xe9: \xff\xfe", "Server: \xe9\x85", _LENGTH]), FEED),
        "stray CR and NUL": _sends(head(200, ["X: a\rb\0c", _LENGTH]), FEED),
        "continue": _sends(head(100), head(200, [_LENGTH]), FEED),
        "early hints": _sends(head(103, ["Link: </x>"]), head(103), head(200, [_LENGTH]), FEED),
    }
    return _try_all(client, scripts, _reads_feed)


# --- faults that are errors -------------------------------------------------------------------------------------------


def cut_off(client: ScenarioClient) -> str:
    """A truncated body is an error in every framing."""
    packed = gzip.compress(_LONG_FEED)
    chunked = head(200, ["Transfer-Encoding: chunked"])
    scripts = {
        "length": _sends(head(200, ["Content-Length: 5000"]), FEED),
        "within a chunk": _sends(chunked, b"ff\r\n", FEED),
        "between chunks": _sends(chunked, b"%x\r\n%b\r\n" % (len(FEED), FEED)),
        "a chunk size that is none": _sends(chunked, b"%x\r\n%b\r\nzz\r\n" % (len(FEED), FEED)),
        "gzip": _encoded("gzip", packed[:-20]),
        "gzip without its check": _encoded("gzip", packed[:-4]),
        "deflate": _encoded("deflate", zlib.compress(_LONG_FEED)[:-20]),
        "br": _encoded("br", brotli.compress(_LONG_FEED)[:-2]),
        "zstd": _encoded("zstd", zstd.compress(_LONG_FEED)[:-5]),
        "within the headers": _sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"),
    }
    return _try_all(client, scripts, _refuses(Cause.TRUNCATED))


def reset_within(client: ScenarioClient) -> str:
    """A connection that is reset within the body is an error."""

    def script(peer: Peer) -> None:
        peer.send(head(), FEED)
        peer.reset()

    return expect_cause(client.fetch(script), Cause.TRUNCATED)


def corrupt(client: ScenarioClient) -> str:
    """A body that cannot be decoded is an error."""
    packed = bytearray(gzip.compress(_LONG_FEED))
    packed[len(packed) // 2] ^= 0xFF
    scripts = {
        "gzip": _encoded("gzip", bytes(packed)),
        "br": _encoded("br", b"\x8b\x00" + bytes(range(256))),
        "zstd": _encoded("zstd", b"\x28\xb5\x2f\xfd" + bytes(range(256))),
        "unknown": _encoded("compress", b"\x1f\x9d\x90" + bytes(range(256))),
        "too many": _encoded("gzip, gzip, gzip, gzip", bytes(packed)),
        "long window": _encoded("zstd", b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(100)),
    }
    return _try_all(client, scripts, _refuses(Cause.BAD_ENCODING))


def no_answer(client: ScenarioClient) -> str:
    """A server that closes without an answer is a failed connection."""
    return _try_all(client, {"close": _sends(), "reset": Peer.reset}, _refuses(Cause.CONNECT))


def not_http(client: ScenarioClient) -> str:
    """An answer that is not HTTP, or whose headers contradict each other, is an error."""
    scripts = {
        "another protocol": _sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        "nothing but a body": _sends(FEED + b"\n\n"),
        "a status that is no number": _sends(b"HTTP/1.1 abc OK\r\n\r\n", FEED),
        "an unknown version": _sends(b"HTTP/7.0 200 OK\r\n\r\n", FEED),
        "two lengths": _sends(head(200, [_LENGTH, "Content-Length: 3"]), FEED),
    }
    return _try_all(client, scripts, _refuses(Cause.PROTOCOL))


TOLERANCE = (
    codings, codings_misdeclared, framings, odd_heads, cut_off, reset_within, corrupt, no_answer, not_http,
)  # fmt: skip
