"""Reads one entry, or the head, of an XML feed as a tree of lxml. Broken XML is repaired; too large elements are cut.

Elements are known by short names: `title`, `dc:date`, `media:content`. The elements of the feed's own format have no
prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from html import escape
from itertools import islice

from lxml import etree

from aggregator.feeds.repair import cut_long_tags, repair_signs

XML = "{http://www.w3.org/XML/1998/namespace}"
_ATOM = "http://www.w3.org/2005/atom"
# Namespaces of the feed formats themselves, lower case: their elements have no prefix.
CORE = frozenset(
    {
        "",
        "http://purl.org/rss/1.0/",
        "http://my.netscape.com/rdf/simple/0.9/",
        "http://channel.netscape.com/rdf/simple/0.9/",
        "http://purl.org/net/rss1.1#",
        "http://blogs.law.harvard.edu/tech/rss",
        "http://purl.org/rss/1.0/modules/rss091#",
        "http://example.com/newformat#",
        "http://purl.org/rss/2.0/",
        "http://www.sitemaps.org/schemas/sitemap/0.9",
        "http://www.google.com/schemas/sitemap/0.84",
    }
)
_ATOMS = frozenset(
    {
        _ATOM,
        "https://www.w3.org/2005/atom",
        "http://purl.org/atom/ns#",
        "http://purl.org/atom/ns",
        "http://example.com/necho",
        "http://purl.org/echo/",
        "uri/of/echo/namespace#",
        "http://purl.org/pie/",
    }
)
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "wfw": "http://wellformedweb.org/CommentAPI/",
    "media": "http://search.yahoo.com/mrss/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
    "dwsyn": "http://rss.dw.com/syndication/dwsyn/",
    "atom": "http://www.w3.org/2005/Atom",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "georss": "http://www.georss.org/georss",
    "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "thr": "http://purl.org/syndication/thread/1.0",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
    "prism": "http://prismstandard.org/namespaces/basic/2.0/",
    "fh": "http://purl.org/syndication/history/1.0",
    "cc": "http://web.resource.org/cc/",
    "xlink": "http://www.w3.org/1999/xlink",
}
_PREFIXES = {uri.lower(): prefix for prefix, uri in NAMESPACES.items()} | {
    "http://purl.org/dc/elements/1.0/": "dc",
    "http://dublincore.org/documents/dcmi-namespace/": "dc",
    "http://search.yahoo.com/mrss": "media",
    "http://rss.dw.de/syndication/dwsyn/": "dwsyn",
    "http://prismstandard.org/namespaces/1.2/basic/": "prism",
}

MAX_CHILDREN = 500  # children of an element; further ones are dropped
_MAX_ATTRIBUTES = 60
_PLAIN_TAGS = 40  # a smaller slice need not be checked against the limits
_HTML_NAMESPACES = frozenset({"http://www.w3.org/1999/xhtml", "http://www.w3.org/2005/Atom"})
_PREFIX_IN_USE = re.compile(r"[<\s/]([A-Za-z_][\w.-]{0,40}):[A-Za-z_]")
_CDATA = "<![CDATA["
_TAG_LIKE = re.compile(r"<(?=[^A-Za-z_/!?])")


@dataclass(frozen=True, slots=True)
class Context:
    """What the start of an XML feed states for all its entries: namespaces, entities, and whether the feed is Atom.

    An element without a prefix whose namespace is `default` (in lower case) counts as part of the feed's format.
    """

    namespaces: Mapping[str | None, str] = field(default_factory=dict)
    is_atom: bool = False
    entities: Mapping[str, str] = field(default_factory=dict)
    default: str = ""


def _parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        recover=recover, resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )


_STRICT, _LENIENT = _parser(recover=False), _parser(recover=True)


def read_slice(text: str, context: Context) -> etree._Element | None:
    """Return the element in the text of one entry, in the namespaces of its feed; `None` if the text is unreadable."""
    text = cut_long_tags(text)
    declared = "".join(
        f' xmlns{":" + prefix if prefix else ""}="{escape(uri)}"' for prefix, uri in context.namespaces.items()
    )
    root = _parse(f"<feed{declared}>{text}</feed>", _STRICT)
    if root is None:
        repaired = repair_signs(text, context.entities)
        undeclared = _undeclared(repaired, context.namespaces)
        if undeclared or repaired != text:
            text, declared = repaired, declared + undeclared
            root = _parse(f"<feed{declared}>{text}</feed>", _STRICT)
    if root is None:
        root = _parse(f"<feed{declared}>{_TAG_LIKE.sub('&lt;', text)}</feed>", _LENIENT)
    element = next(iter(root), None) if root is not None else None
    if element is not None and (text.count("<") > _PLAIN_TAGS or text.count("=") > _MAX_ATTRIBUTES):
        _prune(element)
    return element


def read_head(text: str, entities: Mapping[str, str]) -> etree._Element | None:
    """Return the root of a feed without its entries, even if its end is missing; `None` if the text is unreadable."""
    text = cut_long_tags(text)
    root = _parse(text, _STRICT)
    if root is None:
        text = repair_signs(text, entities)
        end = text.find(">")
        root = _parse(f"{text[:end]}{_undeclared(text, {})}{text[end:]}", _LENIENT)
        if root is None:
            root = _parse(_TAG_LIKE.sub("&lt;", text), _LENIENT)
    if root is not None:
        _prune(root)
    return root


def _parse(xml: str, parser: etree.XMLParser) -> etree._Element | None:
    try:
        return etree.fromstring(xml.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _undeclared(text: str, declared: Mapping[str | None, str]) -> str:
    """Return `xmlns:` attributes for undeclared prefixes in `text`: the usual namespace or `urn:undeclared:PREFIX`."""
    prefixes = sorted(set(_PREFIX_IN_USE.findall(text)) - {"xml", "xmlns"} - set(declared))[:50]
    known = (p for p in prefixes if f"xmlns:{p}=" not in text)
    return "".join(f' xmlns:{p}="{NAMESPACES.get(p.lower(), "urn:undeclared:" + p)}"' for p in known)


def _prune(top: etree._Element) -> None:
    """Keep at most 60 attributes and `MAX_CHILDREN` children of `top` and of each element in it; drop the others."""
    for element in top.iter():
        if len(element.attrib) > _MAX_ATTRIBUTES:
            kept = list(islice(element.attrib.items(), _MAX_ATTRIBUTES))
            element.attrib.clear()
            element.attrib.update(kept)
        if len(element) > MAX_CHILDREN:
            del element[MAX_CHILDREN:]


def context_of(element: etree._Element, context: Context) -> Context:
    """Return the namespaces, entities and format that apply to the children of `element`.

    If `element` has no prefix and its namespace is not one of the feed formats (`CORE`), that namespace becomes the
    `default`. Otherwise `context` is returned unchanged.
    """
    uri = str(element.tag).rpartition("}")[0][1:].lower()
    is_own = not element.prefix and uri not in CORE and uri != context.default
    return replace(context, default=uri) if is_own else context


def name_of(element: etree._Element, context: Context) -> str:
    """Return the short name of an element, in lower case."""
    return _short_name(str(element.tag), element.prefix or "", context.is_atom, context.default)


@lru_cache(maxsize=4096)
def _short_name(tag: str, prefix: str, is_atom: bool, default: str) -> str:
    uri, _, local = tag.rpartition("}")
    uri, local = uri[1:].lower(), local.lower()
    if ":" in local:  # a prefix that was never declared
        return local
    if uri in CORE or (default and uri == default and not prefix) or "backend.userland.com/rss" in uri:
        return local
    if uri in _ATOMS:
        return local if is_atom else "atom:" + local
    known = _PREFIXES.get(uri) or (prefix.lower() if prefix.lower() in NAMESPACES else "")
    if known:
        return f"{known}:{local}"
    return f"{prefix.lower()}:{local}" if prefix else local


def text_of(element: etree._Element) -> str:
    """Return the text of an element and all its descendants, without blanks around it."""
    text = element.text if len(element) == 0 else "".join(map(str, element.itertext()))
    return unwrap_cdata((text or "").strip())


def unwrap_cdata(text: str) -> str:
    """Return `text` without `<![CDATA[` and `]]>` around it, which remain if a feed escapes or nests the section.

    >>> unwrap_cdata("<![CDATA[Ferry late]]>"), unwrap_cdata("How <![CDATA[ works")
    ('Ferry late', 'How <![CDATA[ works')
    """
    if not text.startswith(_CDATA) or not text.endswith(("]]>", "]]")):
        return text
    inner = text.removeprefix(_CDATA).removesuffix(">").removesuffix("]]")
    return text if "]]>" in inner else inner.strip()


def inner_html(element: etree._Element) -> str:
    """Return the content of an element as HTML, without the `div` that Atom puts around it. The element is emptied."""
    holder = etree.Element("div")
    holder.text = element.text
    holder.extend(element)  # moves the elements out of the feed's namespaces
    for part in holder.iterdescendants(tag=etree.Element):
        uri, _, local = str(part.tag).rpartition("}")
        if uri[1:] in _HTML_NAMESPACES:
            part.tag = local
    etree.cleanup_namespaces(holder)
    if len(holder) == 1 and holder[0].tag == "div" and not ((holder.text or "") + (holder[0].tail or "")).strip():
        holder = holder[0]
    parts = (etree.tostring(part, method="html", encoding="unicode", with_tail=True) for part in holder)
    return (escape(holder.text or "") + "".join(parts)).strip()


def attribute(element: etree._Element, name: str) -> str:
    """Return an attribute by its local name, without blanks around it; `""`: there is none.

    Case and namespace of the attribute do not matter.
    """
    value = element.get(name)
    if value is None:
        for key in element.keys():  # noqa: SIM118 - an element iterates over its children
            if str(key).rpartition("}")[2].rpartition(":")[2].lower() == name:
                return str(element.get(key)).strip()
    return str(value or "").strip()
