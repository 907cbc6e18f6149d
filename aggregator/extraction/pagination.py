"""Articles on several pages: accepts the link to the next page, and joins the pages. Pure: no request, no store.

A publisher's rule, or a site-config file, has a selector for the link to the next page (`page_rules.find_next_page`).
`is_part` checks it, since a link to the next *article* often looks the same. The link must have the article's number,
or be the first page's address with a page number, or lie below that address. `pipeline.next_page_of` returns the page
to fetch, `store/queue/page_parts.py` makes it due, and `visits/visit.py` fetches it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from lxml.etree import LxmlError
from lxml.html import HTMLParser, document_fromstring

from aggregator.extraction.body.markdown import markdown_of_text
from aggregator.extraction.page_rules import PageRules, find_next_page, mark_css
from aggregator.identity.keys import KeyRules, Tables, fold_host, make_key
from aggregator.identity.publisher_rules import Publishers, publisher_of
from aggregator.models.articles import ExtractInput, Extraction
from aggregator.text.encoding import decode, html_declaration
from aggregator.urls import absolute, clean, host_of, split

MAX_PARTS = 20  # pages of one article, the first one included

_PARSER = HTMLParser(collect_ids=False, encoding="utf-8", remove_comments=True, remove_pis=True)
_SUFFIX = re.compile(r"(?:\.(?:html?|shtml|php|aspx?|jsp))?/*$", re.IGNORECASE)
_NUMBER = re.compile(r"(?:[/_.,~-](?:page|seite|pagina|part|teil|p|s)?[/_=,-]?)0*([0-9]{1,2})", re.IGNORECASE)
_TELLING = re.compile(r"[0-9]{4}[^/]*$|[^/_-]{2}[_-][^/_-]{2}[^/]*$")  # a number or several words
_SMALL = re.compile(r"[0-9]{1,2}")
_PAGE_PARAMS = frozenset({
    "page", "pageno", "pagenum", "pagenumber", "currentpage", "pagewanted", "paged", "pg", "pag", "pagina", "seite",
    "part", "start", "offset",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One page of an article. `url` is the requested address; `page` is its answer, as the input of the extraction."""

    url: str
    page: ExtractInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The fetched further pages of an article, in order, without the first page.

    `missing` is the address of the next page, which is not fetched yet; None: there is no next page.
    """

    parts: tuple[Part, ...]
    missing: str | None


# --- the link to the next page ----------------------------------------------------------------------------------------


def numbers_of(host: str, publishers: Publishers) -> KeyRules:
    """Return only those rules of a publisher that find an article's number in an address of `host` (name:port).

    If no publisher has the host, the rules are empty.
    """
    publisher = publisher_of(publishers, host)
    if publisher is None:
        return KeyRules()
    tables = publishers.key_rules.tables
    hosts = Tables(
        host_prefixes=tables.host_prefixes, host_aliases=tables.host_aliases, host_suffixes=tables.host_suffixes
    )
    return KeyRules(tables=hosts, sites={fold_host(host.rpartition(":")[0], hosts): publisher.site})


def chain_of(first: Part, further: Sequence[Part], rules: PageRules, numbers: KeyRules) -> Chain:
    """Follow the links from the first page through the further pages that were fetched.

    The chain ends at a page without an accepted link, and before a page whose address or bytes an earlier page has. It
    also ends before a fetched page to which the page before it does not link any more.
    """
    parts = [first]
    while (link := _link(parts, rules, numbers)) is not None and len(parts) <= len(further):
        part = further[len(parts) - 1]
        if part.url != link:
            break
        if clean(part.page.url) in _addresses(parts) or any(part.page.body == one.page.body for one in parts):
            link = None
            break
        parts.append(part)
    return Chain(parts=tuple(parts[1:]), missing=link)


def _link(parts: Sequence[Part], rules: PageRules, numbers: KeyRules) -> str | None:
    """Return the address of an article's next page, to which the last of its fetched pages (`parts`) links.

    None: that page has no such link, or the link leads to another host, to one of `parts`, or to another article.
    """
    first, last = parts[0].page.url, parts[-1].page
    found = absolute(last.url, _next_link(last, rules))
    link = None if found is None else clean(found)
    if link is None or host_of(link) != host_of(first) or link in _addresses(parts):
        return None
    return link if is_part(link, first, numbers) else None


def _addresses(parts: Sequence[Part]) -> set[str | None]:
    return {clean(url) for part in parts for url in (part.url, part.page.url)}


def _next_link(page: ExtractInput, rules: PageRules) -> str:
    declared = html_declaration(page.body)
    html = decode(page.body, content_type=page.headers.get("content-type", ""), declared=declared)
    marked = mark_css(html, rules).replace("\0", "\ufffd").encode("utf-8", "replace")
    try:
        return find_next_page(document_fromstring(marked, parser=_PARSER), rules)
    except (LxmlError, ValueError):
        return ""


def is_part(link: str, first: str, numbers: KeyRules) -> bool:
    """Return whether `link` may be a further page of the article at `first`, and not of another article.

    >>> is_part("https://a.example/story?page=2", "https://a.example/story", KeyRules())
    True
    >>> is_part("https://a.example/next-story", "https://a.example/story", KeyRules())
    False
    """
    own, other = make_key(first, numbers)[0], make_key(link, numbers)[0]
    one, two = split(first), split(link)
    if own is None or other is None or one is None or two is None:
        return False
    if not own.startswith("https://") and not other.startswith("https://"):
        return own == other  # the publisher's number of the article
    is_same_path = _SUFFIX.sub("", one.path) == _SUFFIX.sub("", two.path)
    has_number = _has_page_number(one.query or "", two.query or "")
    if has_number is None:
        return False
    return has_number if is_same_path else _lies_below(one.path, two.path)


def _lies_below(first: str, path: str) -> bool:
    """Return whether `path` is `first` with a page number ("/story/2", "/story-2"), or lies below `first`.

    "/old-bridge-opens/1" counts as "/old-bridge-opens": a number 0 or 1 after an article's path is a page number. In
    "/news/1" it is not, since "/news" has neither several words nor four digits; so "/news/2" is another article.
    """
    own, other = _SUFFIX.sub("", first), _SUFFIX.sub("", path)
    if len(own) > 1 and path.startswith((own + "/", first.rstrip("/") + "/")):
        return True
    stems = {own}
    if (stem := _without_number(own)) is not None and stem[1] <= 1 and _TELLING.search(stem[0]):
        stems.add(stem[0])
    numbered = _without_number(other)
    return numbered is not None and len(numbered[0]) > 1 and numbered[0] in stems


def _without_number(path: str) -> tuple[str, int] | None:
    """Return the path before a page number at its end, and the number; None: there is no such number.

    >>> _without_number("/story/page-2"), _without_number("/story")
    (('/story', 2), None)
    """
    for at in range(len(path)):
        match = _NUMBER.fullmatch(path, at)
        if match is not None:
            return path[:at], int(match[1])
    return None


def _has_page_number(first: str, query: str) -> bool | None:
    """Return True if a query differs from the first page's query by page numbers alone, False if both are equal.

    None: they differ in another parameter.
    """
    own, other = dict(parse_qsl(first, keep_blank_values=True)), dict(parse_qsl(query, keep_blank_values=True))
    names = {name for name in own | other if own.get(name) != other.get(name)}
    for name in names:
        is_new_number = name not in own and _SMALL.fullmatch(other.get(name, "")) is not None
        if name.lower() not in _PAGE_PARAMS and not is_new_number:
            return None
    return bool(names)


# --- joining the pages ------------------------------------------------------------------------------------------------


def join(parts: Sequence[Extraction]) -> Extraction:
    """Return one article: the metadata of the first page, the texts of all pages in order.

    In `body`, a further page loses the paragraphs with which it begins like the first page (headline, teaser), and
    every page but the last those with which it ends like the last. `text` keeps all.
    """
    heads = [_paragraphs(parts[0].body)]
    heads += [own[_shared(own, heads[0]) :] for own in (_paragraphs(part.body) for part in parts[1:])]
    last = heads[-1]
    bodies = [own[: len(own) - _shared(own[::-1], last[::-1])] for own in heads[:-1]]
    body = "\n\n".join(paragraph for own in (*bodies, last) for paragraph in own)
    return replace(
        parts[0],
        text="\n".join(part.text for part in parts),
        body=body,
        markdown=_joined_markdown(body, parts),
    )


def _joined_markdown(body: str, parts: Sequence[Extraction]) -> str:
    """Return the markdown of all pages; if `body` lacks a repeated paragraph, `body` itself as markdown."""
    if body == "\n\n".join(part.body for part in parts):
        return "\n\n".join(part.markdown or "" for part in parts)
    return markdown_of_text(body)


def _paragraphs(body: str) -> list[str]:
    return body.split("\n\n") if body else []


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many equal paragraphs stand at the beginning of both lists."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
