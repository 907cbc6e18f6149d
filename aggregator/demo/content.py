"""The publishers of the newsroom with their articles and feeds, as records; they are read from `sites/*.toml`.

The newsroom has two states: an earlier one (1), and a later one (2), in which some articles have changed and feeds have
more entries. `pages` makes HTML and XML of these records.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

FIRST_STATE = 1
LAST_STATE = 2


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Revision(_Row):
    """What is different about an article in the later state. An empty field means: unchanged."""

    updated: datetime
    title: str = ""
    teaser: str = ""
    text: str = ""


class Variant(_Row):
    """A second address of an article, with another page design. Its canonical link names the first address."""

    url: str
    design: str


class Article(_Row):
    """One article. `name` is unique in the newsroom; entries of feeds refer to it.

    In `text` blank lines separate paragraphs, and `## ` begins a subhead. If `file` is set, the page is not made from
    `text`, but is this file of `articles/`. `status` is the HTTP status of the page. `second` has the changes of the
    later state.
    """

    name: str
    url: str
    title: str
    teaser: str
    published: datetime
    text: str = ""
    file: str = ""
    status: int = 200
    design: str = ""  # "": that of the publication
    authors: tuple[str, ...] = ()
    section: str = ""
    tags: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    second: Revision | None = None
    content_id: str = ""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The paragraphs and subheads of `text`, in order."""
        parts = (part.strip() for part in self.text.split("\n\n"))
        return tuple(
            Block(tag="h2", text=part[3:]) if part.startswith("## ") else Block(tag="p", text=" ".join(part.split()))
            for part in parts
            if part
        )

    @property
    def updated(self) -> datetime:
        """The time of the article's last change: that of `second`, else that of its publication."""
        return self.second.updated if self.second else self.published


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A paragraph or a subhead of an article. `tag` is its HTML element."""

    tag: Literal["p", "h2"]
    text: str


class FeedEntry(_Row):
    """An entry of a feed: the name of its article, its link, and the state (1 or 2) from which on it is listed."""

    article: str
    link: str = ""  # "": the article's own address
    state: int = FIRST_STATE
    original_link: str = ""


class FeedTable(_Row):
    """One feed of the newsroom.

    `validators` names the kind of ETag and Last-Modified in its answers. If `broken` is "html", the home page is its
    answer; if "500", an error. `listed`: the demo's configuration has the feed. If `moved_from` is set, the
    configuration has that address, which redirects permanently to `url`.
    """

    url: str
    moved_from: str = ""
    name: str
    title: str = ""
    format: Literal["rss", "atom", "rdf"] = "rss"
    validators: Literal["strong", "weak", "odd", "date", "none"] = "strong"
    broken: Literal["", "html", "500"] = ""
    content: bool = False  # the feed carries the whole text
    full_text: bool = True
    listed: bool = True
    tags: tuple[str, ...] = ()
    entries: tuple[FeedEntry, ...] = ()


class Redirect(_Row):
    """An address of the newsroom that redirects to `target`."""

    url: str
    target: str
    status: int = 302


class Publication(_Row):
    """A publisher of the newsroom: its hosts with their robots.txt, its articles and its feeds."""

    title: str
    tagline: str
    language: str
    home: str
    design: str
    sections: tuple[str, ...] = ()
    hosts: Mapping[str, str]  # name -> robots.txt
    encoding: str = "utf-8"
    declared: str = "utf-8"  # what pages and feeds say about their encoding
    compressed: bool = False
    redirects: tuple[Redirect, ...] = ()
    articles: tuple[Article, ...] = ()
    feeds: tuple[FeedTable, ...] = ()


def in_state(article: Article, state: int) -> Article:
    """Return the article as it is in state 1 of the newsroom (without `second`) or in state 2 (changed by `second`)."""
    if article.second is None or state < LAST_STATE:
        return article.model_copy(update={"second": None})
    changed = article.second.model_dump(include={"title", "teaser", "text"}, exclude_defaults=True)
    return article.model_copy(update=changed)


@cache
def read_publications() -> tuple[Publication, ...]:
    """Return every publisher of the newsroom, in the order of their file names."""
    folder = files("aggregator.demo") / "sites"
    tables = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return tuple(Publication.model_validate(tomllib.loads(table.read_text(encoding="utf-8"))) for table in tables)


def read_page(name: str) -> bytes:
    """Return the bytes of a finished page from the folder `articles/`."""
    return (files("aggregator.demo") / "articles" / name).read_bytes()
