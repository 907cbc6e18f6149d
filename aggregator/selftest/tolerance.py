"""Scenarios: faults of a server that a fetcher tolerates, and faults that must be errors.

The docstring of a scenario is the requirement that users see. The function returns a `Complaint`: what went wrong, or
"" if nothing did.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping

import brotli

from aggregator.compression import zstd
from aggregator.models.fetching import Cause
from aggregator.selftest.scenario import (
    FEED,
    Complaint,
    ScenarioClient,
    documented,
    expect_body,
    expect_cause,
    fails,
    first_complaint,
)
from aggregator.selftest.server import Peer, Script, answers, head, sends

_LENGTH = f"Content-Length: {len(FEED)}"
_LONG_FEED = FEED + b"<!-- " + b"x" * 50_000 + b" -->"


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def _encoded(coding: str, body: bytes) -> Script:
    return answers(200, body, [f"Content-Encoding: {coding}"])


def _reads(client: ScenarioClient, scripts: Mapping[str, Script], body: bytes = FEED) -> Complaint:
    return first_complaint((name, expect_body(client.fetch(script), body)) for name, script in scripts.items())


def _refuses(client: ScenarioClient, scripts: Mapping[str, Script], cause: Cause) -> Complaint:
    return first_complaint((name, expect_cause(client.fetch(script), cause)) for name, script in scripts.items())


# --- tolerated faults -------------------------------------------------------------------------------------------------


def codings(client: ScenarioClient) -> Complaint:
    """Every content coding that requests offer is decoded, alone and in combination."""
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
    return _reads(client, scripts, _LONG_FEED)


def codings_misdeclared(client: ScenarioClient) -> Complaint:
    """A content coding that was declared but not applied, or applied but not declared, is tolerated."""
    scripts = {coding: _encoded(coding, _LONG_FEED) for coding in ("gzip", "deflate", "br", "zstd", "UTF-8", "none")}
    scripts["undeclared"] = answers(200, gzip.compress(_LONG_FEED))
    return _reads(client, scripts, _LONG_FEED)


def framings(client: ScenarioClient) -> Complaint:
    """The end of a body is found, whether a length, chunks or the end of the connection mark it."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, FEED[i : i + 1]) for i in range(len(FEED)))
    chunked = head(200, ["Transfer-Encoding: chunked"])
    scripts = {
        "chunks": sends(chunked, chunks, b"0\r\n\r\n"),
        "chunks and length": sends(
            head(200, ["Content-Length: 3", "Transfer-Encoding: Chunked"]), chunks, b"0\r\n\r\n"
        ),
        "chunk extensions": sends(chunked, b"%x;a=b\r\n%b\r\n0;c\r\nX: y\r\n\r\n" % (len(FEED), FEED)),
        "until close": sends(head(), FEED),
        "HTTP/1.0": sends(b"HTTP/1.0 200 OK\r\n\r\n", FEED),
        "bytes after the end": sends(head(200, [_LENGTH]), FEED, b"junk"),
        "length that is no number": sends(head(200, ["Content-Length: many"]), FEED),
        "length said twice": sends(head(200, [_LENGTH, _LENGTH]), FEED),
    }
    return _reads(client, scripts)


def odd_heads(client: ScenarioClient) -> Complaint:
    """Malformed headers that browsers accept are accepted."""
    many = [f"X-{number}: y" for number in range(500)]
    scripts = {
        "no reason": sends(b"HTTP/1.1 200\r\n\r\n", FEED),
        "bare line ends": sends(head(200, [_LENGTH]).replace(b"\r\n", b"\n"), FEED),
        "blank line first": sends(b"\r\n" + head(200, [_LENGTH]), FEED),
        "line without colon": sends(head(200, ["nonsense", _LENGTH]), FEED),
        "blank before colon": sends(head(200, [_LENGTH.replace(":", " :")]), FEED),
        "folded": sends(head(200, ["X: a", "\tb", _LENGTH]), FEED),
        "folded first": sends(head(200, ["  lost", _LENGTH]), FEED),
        "names without value": sends(head(200, ["ETag:", ": value", _LENGTH]), FEED),
        "five hundred": sends(head(200, [*many, _LENGTH]), FEED),
        "bytes beyond ASCII": sends(head(200, ["X-\xe9: \xff\xfe", "Server: \xe9\x85", _LENGTH]), FEED),
        "stray CR and NUL": sends(head(200, ["X: a\rb\0c", _LENGTH]), FEED),
        "continue": sends(head(100), head(200, [_LENGTH]), FEED),
        "early hints": sends(head(103, ["Link: </x>"]), head(103), head(200, [_LENGTH]), FEED),
    }
    return _reads(client, scripts)


# --- faults that are errors -------------------------------------------------------------------------------------------


def cut_off(client: ScenarioClient) -> Complaint:
    """A truncated answer is an error, even if only the compressed data shows that the end is missing."""
    packed = gzip.compress(_LONG_FEED)
    chunked = head(200, ["Transfer-Encoding: chunked"])
    scripts = {
        "length": sends(head(200, ["Content-Length: 5000"]), FEED),
        "within a chunk": sends(chunked, b"ff\r\n", FEED),
        "between chunks": sends(chunked, b"%x\r\n%b\r\n" % (len(FEED), FEED)),
        "a chunk size that is none": sends(chunked, b"%x\r\n%b\r\nzz\r\n" % (len(FEED), FEED)),
        "gzip": _encoded("gzip", packed[:-20]),
        "gzip without its check": _encoded("gzip", packed[:-4]),
        "deflate": _encoded("deflate", zlib.compress(_LONG_FEED)[:-20]),
        "br": _encoded("br", brotli.compress(_LONG_FEED)[:-2]),
        "zstd": _encoded("zstd", zstd.compress(_LONG_FEED)[:-5]),
        "within the headers": sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"),
    }
    return _refuses(client, scripts, Cause.TRUNCATED)


def _reset_within(peer: Peer) -> None:
    peer.send(head(), FEED)
    peer.reset()


def corrupt(client: ScenarioClient) -> Complaint:
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
    return _refuses(client, scripts, Cause.BAD_ENCODING)


def no_answer(client: ScenarioClient) -> Complaint:
    """If a server closes or resets the connection without an answer, the request fails with the cause `connect`."""
    return _refuses(client, {"close": sends(), "reset": Peer.reset}, Cause.CONNECT)


def not_http(client: ScenarioClient) -> Complaint:
    """An answer that is not HTTP, or whose headers contradict each other, is an error."""
    scripts = {
        "another protocol": sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        "nothing but a body": sends(FEED + b"\n\n"),
        "a status that is no number": sends(b"HTTP/1.1 abc OK\r\n\r\n", FEED),
        "an unknown version": sends(b"HTTP/7.0 200 OK\r\n\r\n", FEED),
        "two lengths": sends(head(200, [_LENGTH, "Content-Length: 3"]), FEED),
    }
    return _refuses(client, scripts, Cause.PROTOCOL)


TOLERANCE = (
    *documented(codings, codings_misdeclared, framings, odd_heads, cut_off, corrupt, no_answer, not_http),
    fails("A connection that is reset within the body is an error.", _reset_within, Cause.TRUNCATED),
)
