"""The configuration of the demo: its feeds, the newsroom as HTTP proxy, and all storage in one folder."""

from __future__ import annotations

from pathlib import Path

import tomlkit

from aggregator.demo.content import FeedTable, read_publications
from aggregator.demo.newsroom import Newsroom


def demo_config(directory: Path, newsroom: Newsroom) -> str:
    """Return a TOML configuration that sends every request to the newsroom and stores all data in `directory`."""
    directory = directory.absolute()
    document = tomlkit.document()
    document.add(tomlkit.comment("Made by `aggregator demo`: every request goes to a newsroom on 127.0.0.1."))
    document["storage"] = {
        "url": f"sqlite:///{directory / 'aggregator.db'}",
        "articles_dir": str(directory / "articles"),
        "raw_dir": str(directory / "raw"),
    }
    document["http"] = {
        "contact": "newsroom@harbour-courier.example",
        "proxy": newsroom.proxy_url,
        "proxy_resolves": True,
        "timeout": "5s",
        "total_timeout": "15s",
        "per_host_interval": "50ms",
    }
    document["web"] = {"listen": ""}
    feeds = tomlkit.aot()
    for publication in read_publications():
        for feed in publication.feeds:
            if feed.listed:
                feeds.append(_feed_table(feed))
    document["feeds"] = feeds
    return tomlkit.dumps(document)


def _feed_table(feed: FeedTable) -> tomlkit.items.Table:
    table = tomlkit.table()
    table["url"] = feed.moved_from or feed.url
    table["name"] = feed.name
    if feed.tags:
        table["tags"] = list(feed.tags)
    if not feed.full_text:
        table["full_text"] = False
    return table
