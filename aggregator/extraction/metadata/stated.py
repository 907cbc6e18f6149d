"""What a page states about its article: title, authors, dates, language, addresses. It does not read the text.

For authors and dates the order is: publisher rule, JSON-LD, Open Graph and other `meta`, then the page's own markup.
The title is chosen by votes (`titles.py`). For the language, the attribute `lang` comes first. For fields that stay
empty, `extract` asks trafilatura.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import text_in
from aggregator.extraction.metadata.bylines import looks_personal, persons_of
from aggregator.extraction.metadata.headings import Statements
from aggregator.extraction.metadata.json_ld import JsonLd, Node, text_of, types_of
from aggregator.extraction.metadata.titles import title_of
from aggregator.extraction.metadata.visible_byline import visible_authors
from aggregator.extraction.metadata.visible_date import shown_dates
from aggregator.models.pages import DeclaredUrls
from aggregator.text.dates import EARLIEST_AT, LATEST_AHEAD, parse_date, read_usual
from aggregator.text.languages import language_tag

_TITLE_METAS = ("og:title", "twitter:title", "dc.title", "parsely-title", "sailthru.title", "headline")
_AUTHOR_METAS = (
    *("author", "article:author", "parsely-author", "sailthru.author", "citation_author", "dc.creator", "byl"),
    *("og:author",),
)
_DATE_METAS = (
    *("article:published_time", "og:article:published_time", "datepublished", "og:published_time"),
    *("parsely-pub-date", "sailthru.date", "dc.date.issued", "dcterms.created", "dc.date", "publication_date"),
    *("publishdate", "pubdate", "article:published", "date", "cxenseparse:recs:publishtime"),
)
_UPDATED_METAS = ("article:modified_time", "og:updated_time", "datemodified", "last-modified", "dcterms.modified")
_TEASER_METAS = ("og:description", "description", "twitter:description", "dc.description")
_SITE_METAS = ("og:site_name", "application-name", "dc.publisher", "publisher")
_TAG_METAS = ("article:tag", "news_keywords")

_ISO = re.compile(
    r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ]+(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?)?",
    re.ASCII,
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_CLOCK = re.compile(r"(?<![\d.])\d{1,2}[:hH.]\d\d(?!\.?\d)|^\d{9,}$")  # not in 11.11.2022; in seconds since 1970
_LOOSE_ZONE = re.compile(r"(.*\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)(\s?)(?:GMT|UTC)?([+-])(\d{1,2})", re.ASCII)
_NEGATIVE_YEAR = re.compile(r"-\d{4}-.*|.*[A-Za-z.]\s-\d{4}\s.*")
_NAMED_ZONE = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)\s?([A-Z]{2,4})", re.ASCII)
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]24:00(?::00(?:[.,]0+)?)?(.*)", re.ASCII)
_ZONES = {  # RFC 5322, 4.3, and those of Europe and Japan that are one place's alone
    **{"UT": "+00:00", "UTC": "+00:00", "GMT": "+00:00", "EST": "-05:00", "EDT": "-04:00", "CST": "-06:00"},
    **{"CDT": "-05:00", "MST": "-07:00", "MDT": "-06:00", "PST": "-08:00", "PDT": "-07:00", "CET": "+01:00"},
    **{"CEST": "+02:00", "EET": "+02:00", "EEST": "+03:00", "MSK": "+03:00", "JST": "+09:00", "KST": "+09:00"},
}
_URL_DAY = re.compile(r"/((?:19|20)\d\d)[/-](0[1-9]|1[0-2])[/-](0[1-9]|[12]\d|3[01])(?:[/-]|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a page states. Dates are ISO 8601 in the page's own offset, or bare days; `""`: unknown."""

    title: str = ""
    authors: tuple[str, ...] = ()
    credited: tuple[str, ...] = ()  # organisations and departments that are named as authors
    published: str = ""
    updated: str = ""
    language: str = ""
    site: str = ""
    tags: tuple[str, ...] = ()
    declared: DeclaredUrls = field(default_factory=DeclaredUrls)
    image_urls: tuple[str, ...] = ()
    teasers: tuple[str, ...] = ()
    article_body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Values that a publisher's rules found on the page. They take precedence over the page's own statements."""

    authors: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    next_page: str = ""


def read_metadata(
    tree: Element,
    metas: Mapping[str, Sequence[str]],
    json_ld: JsonLd,
    url: str,
    stated: Stated,
    latest: datetime | None,
    announced: str = "",
) -> Metadata:
    """Return what a page states about its article: title, dates, authors and more.

    `announced` is the title in the feed, one of the candidates for the title.

    `metas` is the result of `metas_of`. `latest` is the time when the page was first seen. Dates before 1995, or more
    than two days after `latest`, are ignored.
    """
    article = json_ld.article
    site = _site_of(metas, json_ld)
    persons, organisations = _json_ld_authors(json_ld)
    return Metadata(
        title=_title_of(tree, article, metas, site, url, announced),
        authors=_authors_of(tree, persons, metas, stated, site),
        credited=persons_of([*organisations, *persons]) or persons_of(_values(metas, _AUTHOR_METAS)),
        published=_first_date(_published_of(tree, article, metas, stated, url), latest),
        updated=_first_date([_moment_of(article.get("dateModified")), *_values(metas, _UPDATED_METAS)], latest),
        language=_language_of(tree, article, metas),
        site=site,
        tags=_tags_of(article, metas),
        declared=_declared_of(tree, article, metas, url, stated.next_page),
        image_urls=tuple(_absolute(_json_ld_images(article), url) + _absolute(_values(metas, ("og:image",)), url)),
        teasers=tuple(filter(None, [text_of(article.get("description")), *_values(metas, _TEASER_METAS)])),
        article_body=text_of(article.get("articleBody")),
    )


def metas_of(tree: Element) -> dict[str, list[str]]:
    """Return the contents of the `meta` elements; the keys are their name, property or itemprop in small letters."""
    metas: defaultdict[str, list[str]] = defaultdict(list)
    for element in tree.iter("meta"):
        content = " ".join((element.get("content") or "").split())
        if content:
            for name in {element.get("name"), element.get("property"), element.get("itemprop")} - {None, ""}:
                metas[str(name).lower()].append(content)
    return metas


def read_date(raw: str, latest: datetime | None = None) -> str:
    """Return a date as ISO 8601 in its own offset, as precise as the text; `""`: it cannot be read.

    A text without a zone gives a time without an offset if it is ISO 8601; other forms are read as UTC.

    >>> read_date("2022-11-11T10:43:00.000+0100"), read_date("Fri, 11 Nov 2022 10:43:00 +0100"), read_date("2022-11")
    ('2022-11-11T10:43:00+01:00', '2022-11-11T10:43:00+01:00', '2022-11')
    """
    raw = " ".join(raw[:100].split())
    if (usual := read_usual(raw)) is not None:
        return usual.isoformat()
    raw = with_plain_zone(raw)
    if _NEGATIVE_YEAR.fullmatch(raw):
        return ""  # the zero date of an unset field: -0001-11-30
    if (usual := read_usual(raw)) is not None:
        return usual.isoformat()
    if found := _ISO.match(raw):
        return _iso_date(found)
    if _YEAR.fullmatch(raw):
        return raw
    with suppress(ValueError, IndexError, TypeError, OverflowError):
        at = parsedate_to_datetime(raw)
        if at.tzinfo is not None:
            return at.isoformat()
    read = parse_date(raw, latest or datetime.max.replace(tzinfo=UTC) - 2 * LATEST_AHEAD)
    if read is None:
        return ""
    return read.isoformat() if _CLOCK.search(raw) else read.date().isoformat()


def with_plain_zone(raw: str) -> str:
    """Return a date with its zone as hours and minutes, as ISO 8601 has it. The hour 24 becomes 0 of the next day.

    >>> with_plain_zone("2024-05-25T10:00:00+01"), with_plain_zone("2024-05-25 22:00 EST")
    ('2024-05-25T10:00:00+01:00', '2024-05-25 22:00-05:00')
    """
    raw = raw.replace("\u2212", "-")
    if found := _MIDNIGHT.fullmatch(raw):
        with suppress(ValueError, OverflowError):
            day = datetime.fromisoformat(found.group(1)) + timedelta(days=1)
            raw = f"{day.date().isoformat()}T00:00:00{found.group(2)}"
    if found := _LOOSE_ZONE.fullmatch(raw):
        before, blank, sign, hours = found.groups()
        return f"{before}{blank}{sign}{hours:0>2}{'' if blank else ':'}00"
    if (found := _NAMED_ZONE.fullmatch(raw)) and found.group(2) in _ZONES:
        return found.group(1) + _ZONES[found.group(2)]
    return raw


def is_plausible(date: str, latest: datetime | None) -> bool:
    """Return whether a date from `read_date` lies between 1995 and two days after `latest` (None: any day)."""
    if date[:4] < str(EARLIEST_AT.year):
        return False
    return latest is None or date[:10] <= (latest + LATEST_AHEAD).date().isoformat()


# --- single fields ----------------------------------------------------------------------------------------------------


def _title_of(
    tree: Element, article: Node, metas: Mapping[str, Sequence[str]], site: str, url: str, announced: str
) -> str:
    statements = Statements(
        headline=text_of(article.get("headline")),
        network=next(iter(_values(metas, _TITLE_METAS[:1])), ""),
        feed=announced,
        meta=next(iter(_values(metas, _TITLE_METAS[1:])), ""),
        name=text_of(article.get("name")),
        element=next((text_in(title) for title in tree.iter("title")), ""),
    )
    return title_of(tree, statements, site, url)


def _json_ld_authors(json_ld: JsonLd) -> tuple[list[str], list[str]]:
    """Return the names that the article's object in JSON-LD gives as authors: of persons, and of organisations."""
    persons: list[str] = []
    organisations: list[str] = []
    value = json_ld.article.get("author") or json_ld.article.get("creator")
    for author in _flat(value):
        node = json_ld.resolve(author)
        if isinstance(node, Mapping):
            given = " ".join(filter(None, (text_of(node.get("givenName")), text_of(node.get("familyName")))))
            names = node.get("name")
            texts = [text_of(name) for name in _flat(names)] or [given]
            is_person = not types_of(node) or "Person" in types_of(node)
            (persons if is_person else organisations).extend(texts)
        else:
            persons.append(text_of(node))
    return persons, organisations


def _authors_of(
    tree: Element, persons: Sequence[str], metas: Mapping[str, Sequence[str]], stated: Stated, site: str
) -> tuple[str, ...]:
    if authors := persons_of(stated.authors) or persons_of(persons, site):
        return authors
    in_metas = tuple(filter(looks_personal, persons_of(_values(metas, _AUTHOR_METAS), site)))
    return in_metas or visible_authors(tree, site)


def _moment_of(value: object) -> str:
    return str(value) if isinstance(value, int) else text_of(value)  # a number: milliseconds since 1970


def _published_of(
    tree: Element, article: Node, metas: Mapping[str, Sequence[str]], stated: Stated, url: str
) -> Iterator[str]:
    yield from stated.dates
    yield _moment_of(article.get("datePublished"))
    yield from _values(metas, _DATE_METAS)
    yield _moment_of(article.get("dateCreated"))
    times = list(tree.iter("time"))
    own = [time for time in times if time.get("itemprop") == "datePublished" or time.get("pubdate") is not None]
    for time in own or [time for time in times if any(True for _ in time.iterancestors("article", "main"))][:1]:
        yield time.get("datetime") or text_in(time)
    if found := _URL_DAY.search(url):
        yield "-".join(found.groups())
    yield from filter(_is_day, (read_date(line) for line in shown_dates(tree)))


def _is_day(date: str) -> bool:
    return len(date) >= len("2022-11-11")


def _first_date(raws: Iterable[str], latest: datetime | None) -> str:
    dates = (read_date(raw, latest) for raw in raws if raw)
    return next((date for date in dates if date and is_plausible(date, latest)), "")


def _iso_date(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        day_number, clock = int(day or 1), (int(hour or 0), int(minute or 0), int(second or 0))
        whole = datetime(int(year), int(month), day_number, *clock)  # noqa: DTZ001 - the page's own clock
    except ValueError:
        return ""
    if day is None:
        return f"{year}-{month}"
    if hour is None:
        return f"{year}-{month}-{day}"
    if zone is None:
        return whole.isoformat()
    offset = "+00:00" if zone == "Z" else zone[:3] + ":" + (zone[3:].lstrip(":") or "00")
    return whole.isoformat() + offset if abs(int(offset[:3])) < 24 and int(offset[4:]) < 60 else whole.isoformat()


def _language_of(tree: Element, article: Node, metas: Mapping[str, Sequence[str]]) -> str:
    stated = [tree.get("lang") or "", tree.get("{http://www.w3.org/XML/1998/namespace}lang") or ""]
    stated += [text_of(article.get("inLanguage")), *_values(metas, ("og:locale", "content-language", "language"))]
    return next((tag for tag in map(language_tag, stated) if tag), "")


def _site_of(metas: Mapping[str, Sequence[str]], json_ld: JsonLd) -> str:
    publisher = json_ld.resolve(json_ld.article.get("publisher"))
    if isinstance(publisher, list):
        publisher = publisher[0] if publisher else None
    name = text_of(publisher.get("name")) if isinstance(publisher, Mapping) else text_of(publisher)
    return next(iter([*_values(metas, _SITE_METAS[:1]), *filter(None, [name]), *_values(metas, _SITE_METAS[1:])]), "")


def _tags_of(article: Node, metas: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    keywords = article.get("keywords")
    lists = [text_of(word) for word in keywords] if isinstance(keywords, list) else text_of(keywords).split(",")
    stated = [*lists, *(tag for value in _values(metas, _TAG_METAS) for tag in value.split(","))]
    tags = (" ".join(tag.split()) for tag in stated)
    return tuple(dict.fromkeys(tag for tag in tags if 0 < len(tag) <= 80))[:50]


def _declared_of(
    tree: Element, article: Node, metas: Mapping[str, Sequence[str]], url: str, next_page: str
) -> DeclaredUrls:
    links: dict[str, str] = {}
    others: list[str] = []
    for link in tree.iter("link", "a"):
        rels, href = (link.get("rel") or "").lower().split(), link.get("href") or ""
        for rel in rels:
            if rel in ("canonical", "amphtml", "shortlink", "next") and (link.tag == "link" or rel == "next"):
                links.setdefault(rel, href)
        if link.tag == "link" and ("shorturl" in rels or ("alternate" in rels and _is_for_phones(link))):
            others.append(href)
        elif link.tag == "link" and "alternate" in rels and (post := _WORDPRESS_POST.fullmatch(href)):
            others.append(f"{post[1]}/?p={post[2]}")
    entity = article.get("mainEntityOfPage")
    own = [text_of(article.get("url")), text_of(entity.get("@id") if isinstance(entity, Mapping) else entity)]
    address = {name: next(iter(_absolute([href], url)), None) for name, href in links.items()}
    return DeclaredUrls(
        canonical=address.get("canonical"),
        og_url=next(iter(_absolute(_values(metas, ("og:url",)), url)), None),
        amphtml=address.get("amphtml"),
        shortlink=address.get("shortlink"),
        json_ld=next(iter(_absolute(own, url)), None),
        next_page=next(iter(_absolute([next_page], url)), None) or address.get("next"),
        others=tuple(dict.fromkeys(_absolute([*others, *_values(metas, ("short_url",))], url))),
    )


# WordPress names the REST address of the post on its page (https://developer.wordpress.org/rest-api, read 2026-11); the
# number is that of its short link "?p=".
_WORDPRESS_POST = re.compile(r"(https?://.{1,500}?)/wp-json/wp/v2/posts/([0-9]{1,18})")


def _is_for_phones(link: Element) -> bool:
    """Return whether a link `rel="alternate"` leads to the same page for small screens.

    It is recognised by `media`, as Google's and the W3C's mobile annotations have it.
    """
    media = "".join((link.get("media") or "").lower().split())
    return media.startswith("handheld") or media.startswith("onlyscreenand(max-width")


def _json_ld_images(article: Node) -> list[str]:
    images = [
        text_of(image.get("url") or image.get("contentUrl")) if isinstance(image, Mapping) else image
        for image in _flat(article.get("image"))
    ]
    return [image for image in images if isinstance(image, str)]


# --- values -----------------------------------------------------------------------------------------------------------


def _values(metas: Mapping[str, Sequence[str]], names: Iterable[str]) -> list[str]:
    return [value for name in names for value in metas.get(name, ())]


def _flat(value: object) -> list[object]:
    """Return the first 50 members of a list, with the members of inner lists in their place.

    Any other value gives a list with this value; None and "" give an empty list.
    """
    if isinstance(value, list):
        return [member for inner in value[:50] for member in (inner if isinstance(inner, list) else [inner])]
    return [] if value in (None, "") else [value]


def _absolute(addresses: Iterable[str], url: str) -> list[str]:
    """Return the http(s) addresses among `addresses`, absolute."""
    found = []
    for address in addresses:
        try:
            absolute = urljoin(url, address.strip()) if address.strip() else ""
        except ValueError:
            continue
        if absolute.lower().startswith(("http://", "https://")):
            found.append(absolute)
    return found
