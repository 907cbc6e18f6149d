"""From a page to its article: text in the seed format, body, metadata. Never raises.

`text` is Resiliparse's output, unchanged. `body` is chosen from the page's blocks by three votes
(`aggregator.extraction.body`): trafilatura in its fast, recall-oriented mode, the port of readability inside
trafilatura, Resiliparse. Only this module calls trafilatura and Resiliparse's text extraction.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from importlib.metadata import version
from typing import Literal, NamedTuple

import nh3
from lxml import etree
from lxml.etree import _Element as Element
from lxml.html import HtmlElement, document_fromstring
from resiliparse.extract.html2text import extract_plain_text
from trafilatura import bare_extraction
from trafilatura.metadata import extract_author, extract_title, find_date  # type: ignore[attr-defined]  # htmldate's
from trafilatura.readability_lxml import Document as ReadabilityDocument
from trafilatura.settings import Document as TrafilaturaDocument

from aggregator.extraction.body.blocks import NO_TEXT_TAGS, Block, blocks_of, letters_of, without_hints
from aggregator.extraction.body.markdown import markdown_of, markdown_of_text
from aggregator.extraction.body.select import Guide, select_body
from aggregator.extraction.body.simplify import drop_readings, simplify
from aggregator.extraction.body.votes import Opinion, Opinions
from aggregator.extraction.markup import Markup, read_markup
from aggregator.extraction.metadata.bylines import looks_personal, persons_of
from aggregator.extraction.metadata.images import images_of, lead_image_of, pictures_of
from aggregator.extraction.metadata.page_facts import read_facts
from aggregator.extraction.metadata.stated import Metadata, Stated, is_plausible, metas_of, read_date, read_metadata
from aggregator.extraction.page_rules import Applied, PageRules, apply_rules, mark_css
from aggregator.models.articles import DateSource, ExtractInput, Extraction
from aggregator.models.fetching import Cause
from aggregator.models.pages import LeadImage, PageFailed
from aggregator.text.dates import LATEST_AHEAD
from aggregator.text.languages import language_of

logger = logging.getLogger(__name__)

_FOREIGN = re.compile(r"<(?:svg|math)\b", re.IGNORECASE)
_NOT_PLAIN = re.compile(  # markup, and characters that HTML does not have
    "[<&\\u00ad\\u200b\\u2060\\u2028\\ufeff\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef\\ufffe\\uffff]"
)
_KEPT_TAGS = {"main", "section", "form", "fieldset"}  # in addition to nh3's own

EXTRACTOR_NAME = "aggregator"
EXTRACTOR_VERSION = f"2+trafilatura-{version('trafilatura')}+resiliparse-{version('resiliparse')}"


_NOT_TEXT_TYPES = ("image/", "video/", "audio/", "font/", "application/pdf", "application/zip", "application/octet")
_PARSER = etree.HTMLParser(collect_ids=False, encoding="utf-8", remove_comments=True, remove_pis=True)
# One class for all elements: that of lxml.html calls Python for each element that anybody looks at, again and again.
_PARSER.set_element_class_lookup(etree.ElementDefaultClassLookup(element=HtmlElement))
_BINARY_HEAD_CHARS = 4096
_BULLET = re.compile(r"^\s*[-•] ?")
_NUMBER = re.compile(r"^\s*\d{1,3}\. ")
_BODY = re.compile(r"<body\b", re.IGNORECASE)
_ELEMENT = re.compile(r"<(/?)([a-z][a-z0-9]*)[^<>]*>")
_INLINE = frozenset(
    {"a", "abbr", "b", "cite", "code", "em", "i", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "u"}
)
_USELESS_TAGS = (*sorted(NO_TEXT_TAGS - {"math"}), "link", "picture")  # trafilatura reads formulas
_FRAME_TAGS = ("footer", "nav")
_HEAD_TAGS = frozenset({"base", "link", "meta", "noscript", "script", "style", "template", "title"})
_OPEN_DIV = re.compile("<div|<DIV")  # one pass: two counts take twice as long
_DIV = re.compile("<(/?)div[\\s>]", re.IGNORECASE)
_LONG_TAG = re.compile("<[a-z][^<>]{6000,}>", re.IGNORECASE)
_VALUE = re.compile("\"[^\"]*\"|'[^']*'")
_MAX_ATTRIBUTES = 2000
_MAX_DEPTH = 3000  # 0.2 s for Resiliparse; the time grows by the square
_MORE_IN_FEED = 1.3  # the feed's content is preferred if it is so many times longer than the page's body


def extract_page(
    page: ExtractInput, publisher: PageRules | None = None, markup: Markup | None = None
) -> Extraction | PageFailed:
    """Return the article of a page, or the reason why the page has none.

    `publisher` has the selectors for the page. The article's text is that of the feed's entry if this is clearly longer
    (`with_feed_content`). `markup` is the decoded page, if the caller has it.
    """
    read = markup or read_markup(page)
    media_type = page.headers.get("content-type", "").lower()
    if media_type.startswith(_NOT_TEXT_TYPES) or is_binary(read.text):
        return PageFailed(cause=Cause.NOT_TEXT, detail="the content is no text")
    result = _guarded(page, lambda: _extract(read, page, publisher))
    if isinstance(result, PageFailed):
        return result
    if not result.text.strip() and not result.body:
        return PageFailed(cause=Cause.NO_TEXT, detail="the page has no text")
    return with_feed_content(result, page)


def extract_entry(page: ExtractInput) -> Extraction | PageFailed:
    """Return the article of a feed's entry alone, without a page; `source` is "feed"."""
    result = _guarded(page, lambda: _extract_entry(page))
    if isinstance(result, Extraction) and not result.body:
        return PageFailed(cause=Cause.NO_TEXT, detail="the entry has no content")
    return result


def _guarded(page: ExtractInput, extract: Callable[[], Extraction]) -> Extraction | PageFailed:
    """Run `extract`. An exception of a foreign parser becomes the failure of this page."""
    try:
        return extract()
    except Exception as error:  # noqa: BLE001 - parsers of three libraries, on pages of anyone
        logger.warning("extraction failed", extra={"url": page.url, "error": repr(error)})
        return PageFailed(cause=Cause.EXTRACTION_FAILED, detail=f"{type(error).__name__}: {error}"[:300])


def _extract_entry(page: ExtractInput) -> Extraction:
    text = feed_text(page.feed_title, page.feed_html)
    return _combine(page, Metadata(), text, _feed_article(page.feed_html, page.url), source="feed")


def feed_text(title: str, content: str) -> str:
    """Return an entry in the seed format: title, blank line, content as plain text (docs/reference/seed-format.md)."""
    plain = _plain_text(content, main_content=False)
    return f"{title}\n\n{plain}" if title else plain


def _plain_text(page_html: str, *, main_content: bool) -> str:
    """Return the text of HTML from Resiliparse, with the options that the seed format needs.

    `main_content` True: only the part of the page that Resiliparse takes for the main content.
    """
    return str(
        extract_plain_text(
            page_html,
            preserve_formatting=True,
            main_content=main_content,
            list_bullets=True,
            alt_texts=True,
            links=False,
        )
    )


def _is_too_deep(page_html: str) -> bool:
    """Return whether `div` elements are nested so deeply that Resiliparse would search the main content for seconds."""
    if len(_OPEN_DIV.findall(page_html)) <= _MAX_DEPTH:
        return False
    depth = 0
    for tag in _DIV.finditer(page_html):
        depth = max(0, depth - 1) if tag.group(1) else depth + 1
        if depth > _MAX_DEPTH:
            return True
    return False


def _without_attributes(tag: re.Match[str]) -> str:
    """Return a tag without its attributes if it has over 2000: parsers compare each attribute with all others."""
    words = _VALUE.sub("", tag.group()).split()
    return f"{words[0]}>" if len(words) > _MAX_ATTRIBUTES else tag.group()


def _feed_article(content: str, url: str) -> _Article:
    """Return an entry's content as body and markdown.

    Content with `svg` or `math` is cleaned by nh3 first. The reason: HTML ends an open `<svg/onload=...>` at the next
    paragraph, but lxml would put all later text into the `svg`.
    """
    if not _NOT_PLAIN.search(content):
        return _as_article(" ".join(content.split()) if any(map(str.isalnum, content)) else "")
    if _FOREIGN.search(content):
        content = nh3.clean(content, tags=nh3.ALLOWED_TAGS | _KEPT_TAGS)
    tree = _parse(content)
    simplify(tree)
    return _join(blocks_of(tree), url)


def is_binary(text: str) -> bool:
    """Return whether decoded bytes are no text: they begin as a PDF, or have a NUL in the first 4096 characters."""
    head = text[:_BINARY_HEAD_CHARS]
    return head.lstrip().startswith("%PDF") or "\0" in head


# --- the page ---------------------------------------------------------------------------------------------------------


def _extract(markup: Markup, page: ExtractInput, rules: PageRules | None) -> Extraction:
    page_html = _LONG_TAG.sub(_without_attributes, markup.text)
    text = "" if _is_too_deep(page_html) else _plain_text(page_html, main_content=True)
    # Where no part of the page looks like the main one to it, all its text is its opinion about the body.
    vote = text if text.strip() else _plain_text(page_html, main_content=False)
    tree = _parse(page_html if rules is None else mark_css(page_html, rules))
    drop_readings(tree)
    applied = Applied(stated=Stated(), content=()) if rules is None else apply_rules(tree, rules)
    metas = metas_of(tree)
    metadata = read_metadata(tree, metas, markup.json_ld, page.url, applied.stated, page.first_seen, page.feed_title)
    metadata = _ask_others(tree, metadata, page)
    pictures = pictures_of(tree)
    image = lead_image_of(pictures, metadata.image_urls, page.url)
    facts = read_facts(tree, metas, markup.json_ld.article, page.headers, page.url, images_of(pictures, page.url))
    guide = Guide(title=metadata.title, article=metadata.article_body, teasers=metadata.teasers)
    ruled = _article_by_rule(applied.content, page.url)
    article = ruled if ruled.body else _article_of(tree, vote, guide, metadata.language, page.url)
    return replace(_combine(page, metadata, text, article, image), facts=facts)


class _Article(NamedTuple):
    """The article's text: plain (`body`), and with headings, lists, emphasis and links (`markdown`)."""

    body: str
    markdown: str


def _article_by_rule(content: Iterable[Element], url: str) -> _Article:
    """Return the text of the elements that a rule selects. The extractors do not vote on it.

    Headlines (h1), captions, navigation and blocks that are mostly links are left out.
    """
    return _join([block for element in content for block in blocks_of(element) if _is_text(block)], url)


def _article_of(tree: Element, plain: str, guide: Guide, language: str, url: str) -> _Article:
    simplify(tree, language)
    _strip(tree)
    recall = _trafilatura_lines(tree)
    opinions = Opinions(
        recall=_opinion(recall),
        readable=_opinion(_readable_lines(tree)),
        plain=_opinion(_lines(plain)),
    )
    root = tree.find("body")
    chosen = select_body(blocks_of(tree if root is None else root), opinions, guide)
    if chosen:
        return _join(chosen, url)
    lines = recall or list(_readable_lines(tree)) or plain.splitlines()
    return _as_article("\n\n".join(without_hints(line).strip() for line in lines if line.strip()))


def _parse(page_html: str) -> Element:
    """Parse HTML with lxml. HTML without `body` is put into a `body`, since the extractors expect one."""
    if not _BODY.search(page_html):
        page_html = f"<html><body>{page_html}</body></html>"
    tree = document_fromstring(page_html.replace("\0", "\ufffd").encode("utf-8", "replace"), parser=_PARSER)
    _give_body(tree)
    return tree


def _give_body(tree: Element) -> None:
    """Move content from the head into a new body if lxml has found no body.

    lxml leaves all content after an unknown element in the head.
    """
    head = tree.find("head")
    if head is None or tree.find("body") is not None:
        return
    body = etree.SubElement(tree, "body")
    body.extend(child for child in list(head) if child.tag not in _HEAD_TAGS)


def _strip(tree: Element) -> None:
    """Drop elements that never belong to an article, so that no extractor copies and searches them.

    If all paragraphs are in `nav` or `footer`, these two are kept, since they contain the page. The first script that
    states a forum post is kept, too, since trafilatura looks for it.
    """
    forums = [script.text for script in tree.iter("script") if "DiscussionForumPosting" in (script.text or "")]
    has_text_outside = any(next(paragraph.iterancestors(*_FRAME_TAGS), None) is None for paragraph in tree.iter("p"))
    etree.strip_elements(tree, *_USELESS_TAGS, *(_FRAME_TAGS if has_text_outside else ()), with_tail=False)
    for text in forums[:1]:
        etree.SubElement(tree, "script", type="application/ld+json").text = text


def _is_text(block: Block) -> bool:
    return not block.inside & {"h1", "figcaption", "nav"} and block.link_share < 0.8


def _join(blocks: Sequence[Block], url: str) -> _Article:
    return _Article("\n\n".join(block.text for block in blocks), markdown_of(blocks, url))


def _as_article(body: str) -> _Article:
    return _Article(body, markdown_of_text(body))


def _opinion(lines: Iterable[str]) -> Opinion:
    """Return an extractor's text, given as lines, as an `Opinion`: it tells which blocks the text contains.

    A line that begins with a number ("3. Rome") is added with and without the number, which may be that of a list.
    """
    return Opinion(one for line in lines for one in ((line, _NUMBER.sub("", line)) if _NUMBER.match(line) else (line,)))


def _lines(text: str) -> list[str]:
    return [_BULLET.sub("", line) for line in text.splitlines()]


def _trafilatura_lines(tree: Element) -> list[str]:
    """Return the lines of trafilatura's article. It is set to take too much rather than too little, in one fast run."""
    document = bare_extraction(tree, fast=True, favor_recall=True, include_comments=False, deduplicate=False)
    return _lines(document.text or "") if isinstance(document, TrafilaturaDocument) else []


def _readable_lines(tree: Element) -> Iterator[str]:
    """Yield the lines of readability's HTML. The HTML is cut at tags of blocks, since parsing it would cost more."""
    summary = ReadabilityDocument(copy(tree)).summary()
    cut = _ELEMENT.sub(lambda tag: "" if tag.group(2) in _INLINE else "\n", summary)
    yield from html.unescape(cut).split("\n")


def _ask_others(tree: Element, metadata: Metadata, page: ExtractInput) -> Metadata:
    """Fill title, authors and date by the guesses of trafilatura and htmldate, if the page does not state them.

    Authors whom the page credits (`Metadata.credited`) come before a guess.
    """
    title = metadata.title or " ".join((extract_title(tree) or "").split())
    authors = metadata.authors or metadata.credited
    if not authors:
        guessed = persons_of([extract_author(tree) or ""], metadata.site)
        authors = tuple(filter(looks_personal, guessed)) or guessed
    published = metadata.published or _guessed_date(tree, page)
    return replace(metadata, title=title, authors=authors, published=published)


def _guessed_date(tree: Element, page: ExtractInput) -> str:
    latest = page.first_seen and (page.first_seen + LATEST_AHEAD).date().isoformat()
    found = None
    with suppress(Exception):  # an error in it must not fail the page
        found = find_date(tree, original_date=True, url=page.url, max_date=latest)
    date = read_date(found or "", page.first_seen)
    return date if is_plausible(date, page.first_seen) else ""


# --- the record -------------------------------------------------------------------------------------------------------


def _combine(
    page: ExtractInput,
    metadata: Metadata,
    text: str,
    article: _Article,
    image: LeadImage | None = None,
    source: Literal["page", "feed"] = "page",
) -> Extraction:
    published, date_source = _published(page, metadata)
    return Extraction(
        title=metadata.title or page.feed_title,
        authors=metadata.authors or persons_of(page.feed_authors) or metadata.credited,
        date=published[:10],
        published=published,
        date_source=date_source,
        updated=metadata.updated,
        language=language_of(article.body, metadata.language or page.feed_language),
        site=metadata.site,
        text=text,
        body=article.body,
        markdown=article.markdown,
        source=source,
        lead_image=image,
        declared=metadata.declared,
        tags=metadata.tags or page.feed_tags,
        enclosures=page.feed_enclosures,
        extractor_name=EXTRACTOR_NAME,
        extractor_version=EXTRACTOR_VERSION,
    )


def _published(page: ExtractInput, metadata: Metadata) -> tuple[str, DateSource]:
    """Return the date and its source: the page, else the feed, else the day when the page was first seen (UTC)."""
    if metadata.published:
        return metadata.published, DateSource.PAGE
    announced = read_date(page.feed_published, page.first_seen)
    if announced and is_plausible(announced, page.first_seen):
        return announced, DateSource.FEED
    if page.first_seen is not None:
        return page.first_seen.date().isoformat(), DateSource.FIRST_SEEN
    return "", DateSource.NONE


def with_feed_content(extraction: Extraction, page: ExtractInput) -> Extraction:
    """Return the article with the feed's content as its text if this content is clearly longer than the page's body.

    "Clearly" means: at least 1.3 times as many letters as the body has, and at least 500 letters. Such a page may show
    only the beginning of a paid article.
    """
    entry = extract_entry(page) if page.feed_html else None
    if not isinstance(entry, Extraction):
        return extraction
    if len(letters_of(entry.body)) < max(500, _MORE_IN_FEED * len(letters_of(extraction.body))):
        return extraction
    return replace(extraction, text=entry.text, body=entry.body, markdown=entry.markdown, source="feed")
