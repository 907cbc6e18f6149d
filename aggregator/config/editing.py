"""The configuration files as texts: read, edited so that every comment stays, written atomically.

Knows only how `[[feeds]]` is spelled; what settings mean is the business of `settings` and `config`.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.items import Array

from aggregator.config.settings import same_address
from aggregator.errors import ConfigError
from aggregator.models.records import Subscription
from aggregator.redaction import mask
from aggregator.text.units import format_duration

FEEDS_FILE: Final = "feeds.toml"
_FEED_HEADER: Final = re.compile(r"[ \t]*\[\[[ \t]*(?:feeds|\"feeds\"|'feeds')[ \t]*\]\]")
_HEADER: Final = re.compile(r"[ \t]*\[")


def read_text(path: Path) -> str:
    """Return the text of a configuration file, byte order mark and line ends as they stand.

    Raises:
        ConfigError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the file, such as {path / 'aggregator.toml'}") from None
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; write one or name another with --config FILE") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line}: is not UTF-8; save the file as UTF-8") from None
    except ValueError:
        raise ConfigError(f"{str(path)!r}: is not a file name; name another with --config FILE") from None


def add_feed(path: Path, subscription: Subscription) -> None:
    """Append a feed to `feeds.toml` beside `path` if that exists, else to `path` itself.

    Raises:
        ConfigError: it is listed already, or the file cannot be edited; nothing was changed then.
    """
    if not add_feeds(path, [subscription]):
        raise ConfigError(f"{path}: {mask(subscription.url)} is listed already; nothing to add")


def add_feeds(path: Path, subscriptions: Sequence[Subscription]) -> tuple[Subscription, ...]:
    """Append those feeds that are not yet listed, in their order, and return them.

    Raises:
        ConfigError: the file cannot be edited; nothing was changed then.
    """
    target = path.with_name(FEEDS_FILE)
    target = target if target.exists() else path
    with _held(target) as real:
        listed = {same_address(_url(feed)) for file in _files(path) for feed in _feeds(file)}
        new = {same_address(feed.url): feed for feed in reversed(subscriptions)}
        added = tuple(feed for key, feed in reversed(new.items()) if key not in listed)
        if added:
            text = read_text(real)
            tables = [_table(feed) for feed in added]
            _write(real, _appended(text, tables), [*_feeds(real), *tables])
    return added


def remove_feed(path: Path, name_or_url: str) -> bool:
    """Remove the feed of that address, or of that name, from `path` or `feeds.toml` beside it; False: there is none.

    Only the feed's own lines go; comments above it stay.

    Raises:
        ConfigError: several feeds have that name, or the file cannot be edited; nothing was changed then.
    """
    matches = [(file, feed) for file in _files(path) for feed in _feeds(file) if _is_meant(feed, name_or_url)]
    addresses = dict.fromkeys(same_address(_url(feed)) for _, feed in matches)
    if len(addresses) > 1:
        listed = ", ".join(mask(_url(feed)) for _, feed in matches)
        raise ConfigError(f'{path}: several feeds have the name "{name_or_url}"; remove one by its address: {listed}')
    for file in dict.fromkeys(file for file, _ in matches):
        with _held(file) as real:
            feeds = _feeds(real)
            gone = [index for index, feed in enumerate(feeds) if _is_meant(feed, name_or_url)]
            _write(
                real, _without(read_text(real), gone), [feed for index, feed in enumerate(feeds) if index not in gone]
            )
    return bool(matches)


def _files(path: Path) -> tuple[Path, ...]:
    beside = path.with_name(FEEDS_FILE)
    return (path, beside) if beside.exists() and beside != path else (path,)


def _parse(text: str, path: Path) -> dict[str, Any]:  # Any: what TOML holds
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be edited: {error}; run `aggregator config check`") from None


def _feeds(path: Path) -> list[dict[str, Any]]:
    """Return the feeds of one file as they stand, unchecked."""
    feeds = _parse(read_text(path), path).get("feeds", [])
    if not isinstance(feeds, list) or not all(isinstance(feed, dict) for feed in feeds):
        raise ConfigError(f"{path}: feeds: is not a list of tables; run `aggregator config check`")
    return feeds


def _url(feed: dict[str, Any]) -> str:
    return str(feed.get("url", ""))


def _is_meant(feed: dict[str, Any], name_or_url: str) -> bool:
    return feed.get("name") == name_or_url or same_address(_url(feed)) == same_address(name_or_url)


def _table(feed: Subscription) -> dict[str, Any]:
    """Return the keys of `feed` that differ from their defaults."""
    interval = None if feed.interval is None else format_duration(feed.interval)
    table = {"url": feed.url, "name": feed.name or None, "interval": interval, "tags": list(feed.tags) or None}
    flags = {"full_text": None if feed.full_text else False, "enabled": None if feed.enabled else False}
    return {key: value for key, value in (table | flags).items() if value is not None}


def _appended(text: str, tables: Sequence[dict[str, Any]]) -> str:
    """Return `text` with `tables` at its end, in the form and with the line ends that it uses."""
    document = tomlkit.parse(text.removeprefix("\ufeff")) if "feeds" in text and not _spans(text) else None
    if document is not None and isinstance(array := document.get("feeds"), Array):
        for table in tables:
            inline = tomlkit.inline_table()
            inline.update(table)
            array.append(inline)
        return tomlkit.dumps(document)
    blocks = "".join(f"\n[[feeds]]\n{tomlkit.dumps(table)}" for table in tables)
    if not text.strip("\ufeff \t\r\n"):
        blocks = blocks[1:]
    elif not text.endswith("\n"):
        blocks = "\n" + blocks
    return text + (blocks.replace("\n", "\r\n") if "\r\n" in text else blocks)


def _without(text: str, gone: Sequence[int]) -> str:
    """Return `text` without the feeds at the indices `gone`; comments and blank lines around them stay."""
    spans = _spans(text)
    if not spans:
        document = tomlkit.parse(text.removeprefix("\ufeff"))
        for index in reversed(gone):
            del document["feeds"][index]
        return tomlkit.dumps(document)
    lines = text.splitlines(keepends=True)
    for index in reversed(gone):
        start, end = spans[index] if index < len(spans) else (0, 0)
        del lines[start:end]
    return "".join(lines)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return first and last+1 line of each `[[feeds]]` table, without the comments and blank lines that follow it."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    headers = [number for number, line in enumerate(lines) if _HEADER.match(line)] + [len(lines)]
    spans = []
    for start, stop in itertools.pairwise(headers):
        if _FEED_HEADER.match(lines[start]):
            end = stop
            while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
                end -= 1
            spans.append((start, end + (end < stop and not lines[end].strip())))
    return spans


@contextlib.contextmanager
def _held(path: Path) -> Iterator[Path]:
    """Hold the real file behind `path` against other editors of ours; gives that file's path."""
    real = Path(os.path.realpath(path))
    read_text(path)
    while True:
        with real.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_still(real, handle.fileno()):
                yield real
                return


def _is_still(path: Path, descriptor: int) -> bool:
    """Say whether `path` still is the open file: another editor may have replaced it while we waited."""
    held, there = os.fstat(descriptor), path.stat()
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


def _write(path: Path, text: str, expected: list[dict[str, Any]]) -> None:
    """Replace the file by `text` in one step, if it says what was there before, with `expected` as its feeds."""
    wanted = {**_parse(read_text(path), path), "feeds": expected}
    try:
        written = {"feeds": [], **_parse(text, path)}
    except ConfigError:
        written = {}
    if written != wanted:
        raise ConfigError(f"{path}: the feeds are written in a way that cannot be edited here; edit the file by hand")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as handle:
            os.fchmod(handle.fileno(), path.stat().st_mode & 0o7777)
            handle.write(text.encode())
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        remedy = f"check permissions and space of {path.parent}"
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); {remedy}") from None
