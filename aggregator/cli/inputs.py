"""Reads the input of commands: files, JSON lines, addresses. Each failure becomes an error with one line of text."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from aggregator.errors import AggregatorError, ConfigError

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.http.fetch import HttpFetcher
    from aggregator.models.fetching import FetchResult

_GZIP = b"\x1f\x8b"
_LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line of a JSON-lines file that is not a JSON object."""

    path: str
    number: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: line {self.number}: {self.problem}"


def read_file(source: str | Path, *, keep_gzip: bool = False) -> bytes:
    """Return the bytes of a file, decompressed if they are gzip and `keep_gzip` is False; `-` is stdin.

    Raises:
        ConfigError: the file cannot be read, or has over 256 MiB.
    """
    if str(source) == "-":
        data = sys.stdin.buffer.read(_LARGEST_FILE + 1)
    else:
        with open_file(source) as file:
            data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise ConfigError(f"{source}: is larger than {_LARGEST_FILE // 2**20} MiB")
    return data if keep_gzip or not data.startswith(_GZIP) else _gunzip(data)


def open_file(source: str | Path) -> BinaryIO:
    """Open a file that a user named.

    Raises:
        ConfigError: the file cannot be opened.
    """
    try:
        path = Path(source)
        if path.is_dir():
            raise ConfigError(f"{source}: is a folder; name a file")
        return path.open("rb")
    except OSError as error:
        raise ConfigError(f"{source}: {error.strerror or error}") from error
    except ValueError as error:  # the name contains a NUL
        raise ConfigError(f"{str(source)!r}: is not a file name") from error


def _gunzip(data: bytes) -> bytes:
    """Return the gzip file `data` decompressed, up to about 256 MiB or up to the place where it is damaged.

    If no byte can be decompressed, return `data` unchanged.
    """
    from aggregator.compression import DecompressionError, decompress

    whole = bytearray()
    with suppress(DecompressionError):
        for piece in decompress([data], "gzip"):
            whole += piece
            if len(whole) >= _LARGEST_FILE:
                break
    return bytes(whole) or data


def read_lines(path: str) -> Iterator[dict[str, Any] | BrokenLine]:  # Any: what a user's JSON holds
    """Yield the JSON object of each line of a file; `-` is stdin. A line without an object becomes a `BrokenLine`.

    Blank lines are skipped.

    Raises:
        ConfigError: the file cannot be opened.
    """
    with nullcontext(sys.stdin.buffer) if path == "-" else open_file(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BrokenLine(path, number, f"no JSON: {error}")
                continue
            yield row if isinstance(row, dict) else BrokenLine(path, number, "no JSON object")


def file_of_line(name: str, lines: str) -> bytes:
    """Return the bytes of the file `name`, which a line of the JSON-lines file `lines` names.

    A relative `name` is looked for in the current folder, then in the folder of `lines`.

    Raises:
        ConfigError: the file cannot be read.
    """
    beside = name if lines == "-" else Path(lines).parent / name
    try:
        return read_file(name if Path(name).exists() else beside)
    except ValueError as error:
        raise ConfigError(f"{name!r}: is not a file name") from error


def fetcher_of(config: Config) -> AbstractContextManager[HttpFetcher]:
    """Return a fetcher with the `[http]` settings of the configuration. The caller uses it in a `with` statement."""
    from aggregator.clock import SystemClock
    from aggregator.config.request_keys import request_rules
    from aggregator.config.wiring import fetch_limits
    from aggregator.http.fetch import HttpFetcher

    return closing(HttpFetcher(fetch_limits(config), SystemClock(), rules=request_rules(config, os.environ)))


def fetch(config: Config, url: str, accept: Literal["feed", "page"] = "feed") -> FetchResult:
    """Request an address once. If a feed of the configuration has this address, its request settings are used."""
    from aggregator.models.fetching import FetchRequest

    size = config.http.max_feed_size if accept == "feed" else config.http.max_page_size
    feed = url if any(listed.url == url for listed in config.feeds) else None
    deadline = config.http.total_timeout
    with fetcher_of(config) as fetcher:
        return fetcher.fetch(FetchRequest(url=url, accept=accept, feed=feed, max_bytes=size, deadline=deadline))


def failure_of(result: FetchResult) -> str:
    """Return why a request brought no document: the cause and the detail of the failure."""
    from aggregator.models.fetching import FetchFailed

    return f"{result.cause}: {result.detail}" if isinstance(result, FetchFailed) else type(result).__name__


def read_input(source: str, config: Config, accept: Literal["feed", "page"]) -> tuple[bytes, str, dict[str, str]]:
    """Return the bytes, final address and headers of a URL. For a file, address and headers are empty; `-` is stdin.

    Raises:
        AggregatorError: the file cannot be read, or the URL cannot be fetched.
    """
    from aggregator.models.fetching import Fetched
    from aggregator.urls import is_http

    if not is_http(source):
        return read_file(source), "", {}
    result = fetch(config, source, accept)
    if not isinstance(result, Fetched):
        raise AggregatorError(f"{source}: {failure_of(result)}")
    return result.body, result.final_url, dict(result.headers)
