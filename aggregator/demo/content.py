"""The publishers of the newsroom, their articles and feeds, read from `sites/*.toml`.

This module reads and checks package data; `pages` makes HTML and XML of it.
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
    """The text of an article in the second state; empty fields stay as they were."""

    updated: datetime
    title: str = ""
    teaser: str = ""
    text: str = ""


class Variant(_Row):
    """Another address of an article, in a design of its own; its canonical link names the article's address."""

    url: str
    design: str


class Article(_Row):
    """One article; `name` is how feeds refer to it.

    `text` has paragraphs separated by blank lines; `## ` begins a subhead. `file` is a finished page instead. `status`
    is the status of the page's answer.
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
        """The text as paragraphs and subheads, in order."""
        parts = (part.strip() for part in self.text.split("\n\n"))
        return tuple(
            Block(tag="h2", text=part[3:]) if part.startswith("## ") else Block(tag="p", text=" ".join(part.split()))
            for part in parts
            if part
        )

    @property
    def updated(self) -> datetime:
        """When the article last changed, in its present state."""
        return self.second.updated if self.second else self.published


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A paragraph or a subhead."""

    tag: Literal["p", "h2"]
    text: str


class FeedEntry(_Row):
    """One entry: an article by name, the address that this feed gives for it, the state in which the entry appears."""

    article: str
    link: str = ""  # "": the article's own address
    state: int = FIRST_STATE
    original_link: str = ""


class FeedTable(_Row):
    """One feed. `validators` says which validators its answers carry for conditional requests.

    A `broken` feed answers with a page or with an error. A `listed` feed stands in the demo's configuration; if the
    feed has an earlier address, the configuration lists that address, which redirects permanently.
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
    """An address that redirects to another one."""

    url: str
    target: str
    status: int = 302


class Publication(_Row):
    """A publisher: hosts with their robots.txt, articles, feeds."""

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
    """Return the article in that state of the newsroom."""
    if article.second is None or state < LAST_STATE:
        return article.model_copy(update={"second": None})
    changed = article.second.model_dump(include={"title", "teaser", "text"}, exclude_defaults=True)
    return article.model_copy(update=changed)


@cache
def read_publications() -> tuple[Publication, ...]:
    """Return every publisher of the newsroom, by file name."""
    folder = files("aggregator.demo") / "sites"
    tables = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return tuple(Publication.model_validate(tomllib.loads(table.read_text(encoding="utf-8"))) for table in tables)


def read_page(name: str) -> bytes:
    """Return a finished page of `articles/`."""
    return (files("aggregator.demo") / "articles" / name).read_bytes()
