"""Makes the answers of the newsroom: for each address in one state the status, headers and bytes. No sockets."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from aggregator.demo.content import Article, FeedEntry, FeedTable, Publication, in_state, read_page

Place = tuple[str, str]  # host, path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the newsroom. `zipped` is the body for clients that accept gzip, or None: never compressed."""

    status: int
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    location: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    zipped: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Announced:
    """A feed entry with the `Article` that it announces, as templates need them."""

    link: str
    original_link: str
    article: Article


def render_newsroom(publications: Sequence[Publication], state: int) -> Mapping[Place, Reply]:
    """Return the answers of all addresses in the given state (1 or 2) of the newsroom, by host and path."""
    articles = {a.name: in_state(a, state) for publication in publications for a in publication.articles}
    replies: dict[Place, Reply] = {}
    for publication in publications:
        for url, reply in _publication_replies(publication, articles, state):
            zipped = gzip.compress(reply.body, mtime=0) if publication.compressed and reply.status == 200 else None
            replies[place_of(url)] = replace(reply, zipped=zipped)
    return replies


def place_of(url: str) -> Place:
    """Return host and path of an address. Scheme, port, query and fragment are ignored.

    >>> place_of("http://WWW.DW.com:80/en?maca=x")
    ('www.dw.com', '/en')
    """
    parts = urlsplit(url)
    return (parts.hostname or "", parts.path or "/")


def _publication_replies(
    publication: Publication, articles: Mapping[str, Article], state: int
) -> Iterator[tuple[str, Reply]]:
    for host, robots in publication.hosts.items():
        body = robots.encode()
        yield f"http://{host}/robots.txt", Reply(status=200, body=body, content_type="text/plain; charset=utf-8")
    for redirect in publication.redirects:
        yield redirect.url, Reply(status=redirect.status, location=redirect.target)
    own = [articles[article.name] for article in publication.articles]
    home = _html("home.html", publication, articles=own)
    yield publication.home, home
    for article in own:
        yield article.url, _page(publication, article, article.design or publication.design)
        for variant in article.variants:
            yield variant.url, _page(publication, article, variant.design or publication.design)
    for feed in publication.feeds:
        if feed.moved_from:
            yield feed.moved_from, Reply(status=301, location=feed.url)
        yield feed.url, home if feed.broken == "html" else _feed(publication, feed, articles, state)


def _page(publication: Publication, article: Article, design: str) -> Reply:
    if article.file:
        return _marked(Reply(status=article.status, body=read_page(article.file)), article.updated, "strong")
    reply = _html(f"page_{design}.html", publication, article=article, status=article.status)
    return _marked(reply, article.updated, "strong") if article.status == 200 else reply


def _html(template: str, publication: Publication, status: int = 200, **facts: object) -> Reply:
    text = _environment().get_template(template).render(publication=publication, **facts)
    return Reply(
        status=status,
        body=text.encode(publication.encoding, "xmlcharrefreplace"),
        content_type=f"text/html; charset={publication.declared}",
    )


def _feed(publication: Publication, feed: FeedTable, articles: Mapping[str, Article], state: int) -> Reply:
    if feed.broken == "500":
        return Reply(status=500, body=b"<h1>Internal Server Error</h1>")
    entries = tuple(_announced(entry, articles) for entry in feed.entries if entry.state <= state)
    updated = max(entry.article.updated for entry in entries)
    text = (
        _environment()
        .get_template(f"feed.{feed.format}.xml")
        .render(publication=publication, feed=feed, entries=entries, updated=updated)
    )
    body = text.encode(publication.encoding, "xmlcharrefreplace")
    content_type = f"application/{feed.format}+xml; charset={publication.declared}"
    return _marked(Reply(status=200, body=body, content_type=content_type), updated, feed.validators)


def _announced(entry: FeedEntry, articles: Mapping[str, Article]) -> _Announced:
    article = articles[entry.article]
    return _Announced(link=entry.link or article.url, original_link=entry.original_link, article=article)


def _marked(reply: Reply, changed_at: datetime, validators: str) -> Reply:
    """Return the reply with ETag and Last-Modified, as servers of the kind `validators` send them.

    Real servers of each kind exist, even of "odd": an ETag without quotes, and a Last-Modified that is no HTTP date.
    """
    digest = hashlib.sha256(reply.body).hexdigest()[:12]
    date = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    etag, last_modified = {
        "strong": (f'"{digest}"', date),
        "weak": (f'W/"{digest}-gzip"', None),
        "odd": (f"{digest}:0", changed_at.astimezone(UTC).isoformat()),  # no quotes, no HTTP date
        "date": (None, date),
        "none": (None, None),
    }[validators]
    return replace(reply, etag=etag, last_modified=last_modified)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aggregator.demo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rfc822"] = format_datetime
    environment.filters["path"] = lambda url: urlsplit(url).path
    return environment
