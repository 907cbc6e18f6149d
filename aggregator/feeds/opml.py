"""Reads and writes lists of subscriptions: OPML (even broken), and plain lists. It reads bytes and uses no network.

Lines that cannot be used are left out, each named with its number and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from lxml import etree

from aggregator.errors import ConfigError
from aggregator.feeds.repair import BAD_SIGN, repair_signs
from aggregator.models.feeds import Subscription
from aggregator.text.encoding import decode, xml_declaration
from aggregator.urls import absolute, is_http

_MAX_SHOWN_CHARS = 200
_PARSER = etree.XMLParser(
    recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
)
# Other schemes for http in lists of feeds: "feed:" of Safari and NetNewsWire, the others of podcast players.
_OTHER_SCHEME = re.compile(r"^(?:feed|itpc|pcast|podcast|itms-podcast|rss)(s?):(?://)?(?=(https?://)?)", re.IGNORECASE)
_OPML_START = re.compile(r"<\?xml|<!doctype\s+opml|<opml\b", re.IGNORECASE)
_OPML_END = re.compile(r"</opml\s{0,10}>", re.IGNORECASE)
_DECLARATION = re.compile(r"<\?xml[^>]{0,200}\?>")
_MAX_JUNK_CHARS = 10_000  # before the document
_FEED_TYPES = frozenset({"rss", "rss1", "rdf", "atom", "feed", "jsonfeed", "podcast"})
_BREAKS = re.compile(r"\s*[\t\r\n]\s*")  # within an address
_BLANK = re.compile(r"\s")
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_HOST_FIRST = re.compile(r"(?:[\w-]{1,63}\.)+[^\W\d_]{2,63}(?::\d{1,5})?(?:[/?#]\S*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """A line in a list of feeds that gives no subscription, and the reason."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionList:
    """The content of a list of feeds: the feeds, each address once, and the lines that gave no feed."""

    feeds: tuple[Subscription, ...]
    skipped: tuple[SkippedLine, ...] = ()


def read_list(data: bytes) -> SubscriptionList:
    """Return the feeds in an OPML file, or in a plain list with one address on each line.

    Raises:
        ConfigError: `data` is neither of them.
    """
    text = decode(data, declared=xml_declaration(data[:500].lstrip()))
    start = _OPML_START.search(text, 0, _MAX_JUNK_CHARS)
    if start is not None:
        return _read_opml(text, start.start())
    first = len(text) - len(text.lstrip("\ufeff \t\r\n"))
    return _read_opml(text, first) if text[first : first + 1] == "<" else _read_plain(text)


def _read_opml(text: str, start: int) -> SubscriptionList:
    blank_lines = text[:start].count("\n")
    body = _DECLARATION.sub("", repair_signs(text[start:], {}), count=1)
    if (end := _OPML_END.search(body)) and "<" in body[end.end() :]:
        body = f"{_OPML_END.sub('', body)}</opml>"  # outlines after the end
    root: etree._Element | None = etree.fromstring(body.encode("utf-8", "replace"), _PARSER)
    if root is None or _local(root) != "opml":
        line = blank_lines + (1 if root is None else _line_of(root))
        found = "nothing that can be read" if root is None else f"<{_local(root)}>"
        raise ConfigError(f"OPML, line {line}: the root is {found}, not <opml>")
    found_feeds: dict[str, Subscription] = {}
    skipped: list[SkippedLine] = []
    for outline, folders in _outlines(root, ()):
        line = blank_lines + _line_of(outline)
        values = _values(outline)
        is_list = values.get("type", "").lower() == "include"
        raw_url = values.get("xmlurl") or ("" if is_list else values.get("url", ""))
        name = " ".join((values.get("title") or values.get("text") or "").split())
        url, reason = read_address(raw_url)
        if url is None:
            if is_list:
                reason = f"another list, {values.get('url', '')}; import that file too"[:_MAX_SHOWN_CHARS]
            skipped.append(SkippedLine(line=line, text=raw_url[:_MAX_SHOWN_CHARS] or name, reason=reason))
            continue
        categories = (part.strip("/ ").rpartition("/")[2] for part in values.get("category", "").split(","))
        tags = (*folders, *(part for part in categories if part))
        known = found_feeds.get(url)
        found_feeds[url] = Subscription(
            url=url,
            name=(known.name if known else "") or name,
            tags=tuple(dict.fromkeys((*(known.tags if known else ()), *tags))),
        )
    return SubscriptionList(feeds=tuple(found_feeds.values()), skipped=tuple(skipped))


def _outlines(parent: etree._Element, folders: tuple[str, ...]) -> Iterator[tuple[etree._Element, tuple[str, ...]]]:
    """Yield the outlines of feeds and of included lists, at any depth, with the names of the folders around them."""
    waiting = [(parent, folders)]
    while waiting:
        element, around = waiting.pop()
        inner = around
        if _local(element) == "outline":
            values = _values(element)
            if "xmlurl" in values or values.get("type", "").lower() in _FEED_TYPES | {"include"}:
                yield element, around
            elif name := " ".join((values.get("title") or values.get("text") or "").split()):
                inner = (*around, name)
        waiting.extend((child, inner) for child in reversed(list(element.iterchildren(tag=etree.Element))))


def _line_of(element: etree._Element) -> int:
    return cast("int", element.sourceline)  # of a parsed element; the stubs leave its type open


def _values(outline: etree._Element) -> dict[str, str]:
    return {str(key).lower(): str(value).strip() for key, value in outline.attrib.items()}


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _read_plain(text: str) -> SubscriptionList:
    """Read a list with one address on each line. Lines that start with `#` or `//` are comments."""
    found: dict[str, Subscription] = {}
    skipped: list[SkippedLine] = []
    for number, raw_line in enumerate(text.splitlines(), 1):
        line = raw_line.strip("\ufeff \t")
        if not line or line.startswith(("#", "//")):
            continue
        address, _, rest = line.partition(" ")
        address = address.strip("<>")
        url, reason = read_address(address if "://" in address else line)
        if url is None:
            skipped.append(SkippedLine(line=number, text=line[:_MAX_SHOWN_CHARS], reason=reason))
        else:
            found.setdefault(url, _named(url, rest.strip()))
    if not found:
        raise ConfigError("neither OPML nor a list of addresses, one a line")
    return SubscriptionList(feeds=tuple(found.values()), skipped=tuple(skipped))


def _named(url: str, rest: str) -> Subscription:
    """Return the feed at `url`, with the name and the tags that follow the address in its line (`rest`).

    Without quotes, `rest` is the name. With quotes, it is read as Newsboat writes it: tags, and the name as "~Name".
    """
    if '"' not in rest:
        return Subscription(url=url, name=" ".join(rest.split()))
    words = [" ".join((quoted or bare).split()) for quoted, bare in _WORD.findall(rest)]
    tags = (word for word in words if word and word[0] not in "~!")
    return Subscription(
        url=url,
        name=next((word[1:] for word in words if word.startswith("~")), ""),
        tags=tuple(dict.fromkeys(tags)),
    )


def read_address(raw_url: str) -> tuple[str | None, str]:
    """Return (address in normal form, "") for the address of a feed, or (None, reason) if it cannot be used.

    >>> read_address("feed://a.example/rss")[0], read_address("a.example/rss")[0], read_address("query:Unread")[1]
    ('http://a.example/rss', 'https://a.example/rss', 'a query of a reader, no feed')
    """
    text = _OTHER_SCHEME.sub(_as_http, raw_url.strip())
    if not text:
        return None, "no address"
    if is_http(text):
        url = absolute("", _BREAKS.sub("", text))
        return (url and _BLANK.sub("%20", url)), "" if url else "no web address"
    if _HOST_FIRST.fullmatch(text.removeprefix("//")):
        return absolute("", f"https://{text.removeprefix('//')}"), ""
    if text.lower().startswith("query:"):
        return None, "a query of a reader, no feed"
    if text.lower().startswith(("file:", "/")):
        return None, 'a local file; serve it, or write a feed of kind "command"'
    return None, "no http(s) address"


def _as_http(match: re.Match[str]) -> str:
    return "" if match.group(2) else f"http{match.group(1).lower()}://"


def write_opml(subscriptions: Iterable[Subscription]) -> bytes:
    """Return an OPML 2.0 file with one outline for each subscription. The tags of a feed are its categories."""
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = "Subscriptions of aggregator"
    body = etree.SubElement(root, "body")
    for subscription in subscriptions:
        name = _xml_safe(subscription.name or subscription.url)
        outline = etree.SubElement(
            body, "outline", type="rss", text=name, title=name, xmlUrl=_xml_safe(subscription.url)
        )
        if subscription.tags:
            outline.set("category", ",".join(_xml_safe(tag).replace(",", " ") for tag in subscription.tags))
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True))


def _xml_safe(text: str) -> str:
    return BAD_SIGN.sub(" ", text)
