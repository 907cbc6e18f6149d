"""Reads the head of an HTTP answer as tolerantly as browsers do. http.client would end the head at one bad line.

This module opens no connection and does not interpret headers, except those that tell where the body ends.
"""

from __future__ import annotations

import http.client
import io
import re

_MAX_HEAD_BYTES = 262_144  # of status lines and headers, informational answers included
_MAX_HEAD_LINES = 90  # http.client allows 100; beyond this number only the headers of `_MEANINGFUL` are kept
_MAX_INFORMATIONAL = 20
_HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] +1(?!01)[0-9]{2}(?![0-9])")  # informational, but no switch of protocols
_STATUS = re.compile(r"[1-9][0-9]{2}")
_LENGTH = re.compile(r"[0-9]{1,20}")
_MEANINGFUL = frozenset(
    b"age cache-control connection content-encoding content-language content-length content-type date etag expires "
    b"last-modified link location retry-after transfer-encoding".split()
)


class LenientResponse(http.client.HTTPResponse):
    """An answer whose head may contain broken lines, and before which informational answers (1xx) may come."""

    def begin(self) -> None:
        """Read the head of the answer, and decide how long its body is (RFC 9112, 6.3).

        The base class reads the head with a parser for e-mail, which takes a tenth of the time of a poll.
        """
        status_line, *lines = read_head(self.fp)
        self.version, self.status, self.reason = _parse_status(status_line)
        self.code = self.status
        self.headers = self.msg = http.client.HTTPMessage()
        for line in lines:
            name, _, value = line.decode("iso-8859-1").partition(": ")
            self.headers[name] = value
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = _body_length(self.status, self.headers, chunked=self.chunked)
        self.will_close = not _is_kept(self.version, self.headers) or (not self.chunked and self.length is None)


def _parse_status(line: bytes) -> tuple[int, int, str]:
    """Return the HTTP version (10 for 1.0 and 0.9, else 11), the status and the reason of a status line.

    Raises:
        BadStatusLine: `line` is no status line.
        UnknownProtocol: the line names another version of HTTP.
    """
    text = line.decode("iso-8859-1")
    version, status, reason = (*text.split(None, 2), "", "", "")[:3]
    if not version.startswith("HTTP/") or _STATUS.fullmatch(status) is None:
        raise http.client.BadStatusLine(text)
    if not version.startswith(("HTTP/1.", "HTTP/0.9")):
        raise http.client.UnknownProtocol(version)
    return (10 if version in ("HTTP/1.0", "HTTP/0.9") else 11), int(status), reason.strip()


def _body_length(status: int, headers: http.client.HTTPMessage, *, chunked: bool) -> int | None:
    """Return the length of the body in bytes; None: the body is sent in chunks, or ends with the connection."""
    if status in (204, 304) or status < 200:
        return 0
    length = headers.get("content-length", "").strip()
    return int(length) if not chunked and _LENGTH.fullmatch(length) else None


def _is_kept(version: int, headers: http.client.HTTPMessage) -> bool:
    """Return whether the server keeps the connection open (RFC 9112, 9.3)."""
    options = headers.get("connection", "").lower()
    if version == 11:
        return "close" not in options
    of_proxy = headers.get("proxy-connection", "").lower()
    return "keep-alive" in options or "keep-alive" in of_proxy or bool(headers.get("keep-alive"))


def read_head(stream: io.BufferedReader) -> list[bytes]:
    """Return the status line and the headers of the final answer (RFC 9112, 2.2 and 5; RFC 9110, 15.2).

    Each header is one line, `Name: value`. Broken lines are left out. Informational answers before the final one are
    skipped.

    Raises:
        RemoteDisconnected: the connection ended without an answer.
        IncompleteRead: the head is cut off.
        HTTPException: the head is too large, the answer is not HTTP, or too many informational answers come.
    """
    left = _MAX_HEAD_BYTES
    for _ in range(_MAX_INFORMATIONAL):
        lines: list[bytes] = []
        while True:
            line = stream.readline(left + 1)
            left -= len(line)
            if left < 0:
                raise http.client.HTTPException(f"more than {_MAX_HEAD_BYTES} bytes of headers")
            if not line.endswith(b"\n"):
                _refuse_cut_head(lines, line)
            line = line.rstrip(b"\r\n")
            if line:
                lines.append(line)
            elif lines:
                break
        if not _STATUS_LINE.match(lines[0]):
            return [lines[0], *_mend_headers(lines[1:])]
    raise http.client.HTTPException(f"more than {_MAX_INFORMATIONAL} informational answers")


def _refuse_cut_head(lines: list[bytes], line: bytes) -> None:
    if not lines and not line:
        raise http.client.RemoteDisconnected("closed without an answer")
    if (lines[:1] or [line])[0].startswith(b"HTTP/"):
        raise http.client.IncompleteRead(line)
    raise http.client.HTTPException(f"the answer begins with {(lines[:1] or [line])[0][:40]!r}, that is not HTTP")


def _mend_headers(lines: list[bytes]) -> list[bytes]:
    """Return the header lines of `lines`, each as `Name: value`; lines that are no header are left out.

    A folded header becomes one line. Blanks before the colon and NULs are removed; a stray CR becomes a blank. Of more
    than 90 headers, only those with a known meaning are kept, at most 90.
    """
    mended: list[bytes] = []
    folds = False
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if folds:
                mended[-1] += b" " + line.strip(b" \t")
            continue
        match = _HEADER_LINE.fullmatch(line)
        folds = match is not None
        if match is not None:
            mended.append(match[1] + b": " + match[2].rstrip(b" \t"))
    if len(mended) > _MAX_HEAD_LINES:
        mended = [line for line in mended if line.partition(b":")[0].lower() in _MEANINGFUL][:_MAX_HEAD_LINES]
    return [line.replace(b"\r", b" ").replace(b"\0", b"") for line in mended]
