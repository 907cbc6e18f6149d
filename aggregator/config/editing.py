"""Adds feeds to the configuration files and removes them; every comment stays. Knows `[[feeds]]` and no other key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.items import AoT, Array, Table, Whitespace

from aggregator.config.files import FEEDS_FILE, hold, parse_toml, read_text, replace_bytes
from aggregator.config.settings import same_address
from aggregator.errors import ConfigError
from aggregator.models.feeds import Subscription
from aggregator.redaction import mask
from aggregator.text.units import format_duration

_MARK: Final = "\ufeff"  # some editors put it before UTF-8


def add_feed(path: Path, subscription: Subscription) -> None:
    """Append a feed to `feeds.toml` beside `path` if that file exists, else to `path` itself.

    Raises:
        ConfigError: the feed is listed already, or the file cannot be edited; nothing was changed then.
    """
    if not add_feeds(path, [subscription]):
        raise ConfigError(f"{path}: {mask(subscription.url)} is listed already; nothing to add")


def add_feeds(path: Path, subscriptions: Sequence[Subscription]) -> tuple[Subscription, ...]:
    """Append the feeds that are not listed yet, in their order, and return them; for the file see `add_feed`.

    Raises:
        ConfigError: the file cannot be edited; nothing was changed then.
    """
    target = path.with_name(FEEDS_FILE)
    target = target if target.exists() else path
    read_text(target)
    with hold(target) as real:
        listed = {same_address(_url(feed)) for file in _files(path) for feed in _feeds(file)}
        new = {same_address(feed.url): feed for feed in reversed(subscriptions)}
        added = tuple(feed for key, feed in reversed(new.items()) if key not in listed)
        if added:
            tables = [_table(feed) for feed in added]
            _write(real, _appended(read_text(real), tables), [*_feeds(real), *tables])
    return added


def remove_feed(path: Path, name_or_url: str) -> bool:
    """Remove the feed with this address or name from `path` and `feeds.toml` beside it; False: no feed has it.

    Only the feed's own lines are removed; comments above them stay.

    Raises:
        ConfigError: several feeds have that name, or a file cannot be edited; this file was not changed then.
    """
    matches = [(file, feed) for file in _files(path) for feed in _feeds(file) if _is_meant(feed, name_or_url)]
    addresses = dict.fromkeys(same_address(_url(feed)) for _, feed in matches)
    if len(addresses) > 1:
        listed = ", ".join(mask(_url(feed)) for _, feed in matches)
        raise ConfigError(f'{path}: several feeds have the name "{name_or_url}"; remove one by its address: {listed}')
    for file in dict.fromkeys(file for file, _ in matches):
        with hold(file) as real:
            feeds = _feeds(real)
            gone = [index for index, feed in enumerate(feeds) if _is_meant(feed, name_or_url)]
            kept = [feed for feed in feeds if not _is_meant(feed, name_or_url)]
            _write(real, _without(read_text(real), gone), kept)
    return bool(matches)


def _files(path: Path) -> tuple[Path, ...]:
    beside = path.with_name(FEEDS_FILE)
    return (path, beside) if beside.exists() and beside != path else (path,)


def _parse(text: str, path: Path) -> dict[str, Any]:  # Any: what TOML holds
    try:
        return parse_toml(text.removeprefix(_MARK))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be edited: {error}; run `aggregator config check`") from None


def _feeds(path: Path) -> list[dict[str, Any]]:
    """Return the tables of `[[feeds]]` in one file, unchecked."""
    feeds = _parse(read_text(path), path).get("feeds", [])
    if not isinstance(feeds, list) or not all(isinstance(feed, dict) for feed in feeds):
        raise ConfigError(f"{path}: feeds: is not a list of tables; run `aggregator config check`")
    return feeds


def _url(feed: dict[str, Any]) -> str:
    return str(feed.get("url", ""))


def _is_meant(feed: dict[str, Any], name_or_url: str) -> bool:
    return feed.get("name") == name_or_url or same_address(_url(feed)) == same_address(name_or_url)


def _table(feed: Subscription) -> dict[str, Any]:
    """Return the keys and values that `feed` gets in its table `[[feeds]]`: the address, and all that is no default."""
    interval = None if feed.interval is None else format_duration(feed.interval)
    table = {"url": feed.url, "name": feed.name or None, "interval": interval, "tags": list(feed.tags) or None}
    table["kind"] = None if feed.kind == "feed" else feed.kind
    flags = {"full_text": None if feed.full_text else False, "enabled": None if feed.enabled else False}
    return {key: value for key, value in (table | flags).items() if value is not None}


# --- the text ---------------------------------------------------------------------------------------------------------


def _appended(text: str, tables: Sequence[dict[str, Any]]) -> str:
    """Return the file's `text` with `tables` added as its last feeds.

    They get the form (`[[feeds]]` or an inline list) and the line ends that `text` has.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    body = text.removeprefix(_MARK)
    document = tomlkit.parse(body if not body.strip() or body.endswith("\n") else body + newline)
    feeds = document.get("feeds")
    if isinstance(feeds, Array):
        for table in tables:
            inline = tomlkit.inline_table()
            inline.update(table)
            feeds.append(inline)
        return _dumped(document, text)
    if not isinstance(feeds, AoT):
        document.append("feeds", feeds := tomlkit.aot())
    is_last = document.body[-1][1] is feeds
    after = "" if is_last or not feeds.body else _cut_tail(feeds.body[-1])
    for table in tables:
        block = f"[[feeds]]\n{tomlkit.dumps(table)}".replace("\n", newline)
        item = tomlkit.parse(block)["feeds"][0]
        item.trivia.indent = newline if feeds.body or body.strip() else ""
        feeds.append(item)
    _add_tail(feeds.body[-1], after)
    return _dumped(document, text)


def _without(text: str, gone: Sequence[int]) -> str:
    """Return `text` without the feeds at the indices `gone`; comments around them stay."""
    document = tomlkit.parse(text.removeprefix(_MARK))
    feeds = document["feeds"]
    for index in reversed(gone):
        if not isinstance(feeds, AoT):
            del feeds[index]
            continue
        after = _cut_tail(feeds.body[index])
        _, blank, rest = after.partition("\n") if after.startswith(("\n", "\r\n")) else ("", "", after)
        own = feeds.body[index].trivia.indent
        before = own.removesuffix("\n").removesuffix("\r") if blank else own
        del feeds[index]
        if index < len(feeds.body):
            feeds.body[index].trivia.indent = before + rest + feeds.body[index].trivia.indent
        elif index:
            _add_tail(feeds.body[index - 1], before + rest)
        else:
            _replace_feeds(document, before + rest)
    return _dumped(document, text)


def _dumped(document: TOMLDocument, text: str) -> str:
    return (_MARK if text.startswith(_MARK) else "") + tomlkit.dumps(document)


def _last_table(table: Table) -> Table:
    """Return the innermost table that contains the last lines of `table`; `table` itself if it has no inner table."""
    inner = [item for key, item in table.value.body if key is not None]
    match inner[-1:]:
        case [Table() as last] if not last.is_super_table():
            return _last_table(last)
        case [AoT() as last] if last.body:
            return _last_table(last.body[-1])
    return table


def _cut_tail(table: Table) -> str:
    """Remove the comments and blank lines at the end of `table`, and return them. They belong to the next table."""
    body = _last_table(table).value.body
    start = len(body)
    while start and body[start - 1][0] is None:
        start -= 1
    tail = "".join(item.as_string() for _, item in body[start:])
    del body[start:]
    return tail


def _add_tail(table: Table, text: str) -> None:
    if text:
        _last_table(table).value.body.append((None, Whitespace(text)))


def _replace_feeds(document: TOMLDocument, text: str) -> None:
    """Put `text` (comments, blank lines) in the place of the key `feeds`, whose last feed was removed."""
    index = next(index for index, (key, _) in enumerate(document.body) if key is not None and key.key == "feeds")
    document.remove("feeds")
    document.body[index] = (None, Whitespace(text))


def _write(path: Path, text: str, expected: list[dict[str, Any]]) -> None:
    """Replace the content of the file by `text`.

    Raises:
        ConfigError: the feeds in `text` are not `expected`, or another setting differs from the file's.
    """
    wanted = {**_parse(read_text(path), path), "feeds": expected}
    if {"feeds": [], **_parse(text, path)} != wanted:  # a fault of tomlkit must not cost an operator a setting
        raise ConfigError(f"{path}: the feeds are written in a way that cannot be edited here; edit the file by hand")
    replace_bytes(path, text.encode())
