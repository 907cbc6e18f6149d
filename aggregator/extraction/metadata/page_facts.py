"""Reads facts that a page states about its article: description, section, access, licence, rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urljoin

from lxml.etree import _Element as Element

from aggregator.extraction.metadata.json_ld import Node, text_of
from aggregator.models.pages import LeadImage, PageFacts, Rights

_DESCRIPTION_METAS: Final = ("og:description", "description", "twitter:description", "dc.description")
_SECTION_METAS: Final = ("article:section", "og:article:section", "parsely-section", "cxenseparse:section")
_LICENCE_METAS: Final = ("dcterms.license", "dc.rights.license", "license")
_TIER_METAS: Final = ("article:content_tier", "og:article:content_tier")  # free, metered, locked
_CONDITIONS: Final = frozenset({"noai", "noimageai"})
_MAX_CHARS: Final = 5000


def read_facts(
    tree: Element,
    metas: Mapping[str, Sequence[str]],
    article: Node,
    headers: Mapping[str, str],
    url: str,
    images: Sequence[LeadImage] = (),
) -> PageFacts:
    """Return the facts that the page states.

    `metas` are the values of the page's `meta` elements by name. `article` is the article's object in JSON-LD.
    `headers` are those of the HTTP response, with names in small letters. `images` are the pictures in the article.
    """
    licence_url = _licence_url(tree, article, url)
    return PageFacts(
        description=(_first(metas, _DESCRIPTION_METAS) or text_of(article.get("description")))[:_MAX_CHARS] or None,
        section=_first(metas, _SECTION_METAS) or text_of(article.get("articleSection")) or None,
        is_free=_is_free(metas, article),
        licence=_first(metas, _LICENCE_METAS) or licence_url or text_of(article.get("license")) or None,
        rights=_rights(metas, headers, licence_url),
        images=tuple(images),
    )


def _first(metas: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    return next((value for name in names for value in metas.get(name, ())), "")


def _is_free(metas: Mapping[str, Sequence[str]], article: Node) -> bool | None:
    """Return whether everybody may read the article; None: the page does not say.

    schema.org's isAccessibleForFree comes first. It may be a boolean or a text ("True"). Otherwise a `meta` element may
    name a content tier, which the company Meta defined (developers.facebook.com, "Content Tiers", read 2026-11). Only
    the tier "free" is free; "metered" and "locked" are not.
    """
    stated = article.get("isAccessibleForFree")
    if isinstance(stated, bool):
        return stated
    word = text_of(stated).casefold().rpartition("/")[2]
    if word in ("true", "false"):
        return word == "true"
    tier = _first(metas, _TIER_METAS).casefold()
    return tier == "free" if tier in ("free", "metered", "locked") else None


def _licence_url(tree: Element, article: Node, url: str) -> str | None:
    """Return the address of the licence: that of a `link` or `a` with `rel="license"`, else the one in JSON-LD."""
    for link in tree.iter("link", "a"):
        if "license" in (link.get("rel") or "").lower().split() and (href := (link.get("href") or "").strip()):
            return _absolute(url, href)
    stated = text_of(article.get("license"))
    return stated if stated.startswith(("https://", "http://")) else None


def _absolute(url: str, href: str) -> str | None:
    try:
        return urljoin(url, href)
    except ValueError:
        return None


def _rights(metas: Mapping[str, Sequence[str]], headers: Mapping[str, str], licence_url: str | None) -> Rights:
    """Return what the page and its headers say about use by machines.

    `noai` and `noimageai` are a convention of DeviantArt's (2022), used in the header X-Robots-Tag and in `meta`.
    """
    robots, header = ", ".join(metas.get("robots", ())), headers.get("x-robots-tag", "")
    words = {word.strip().rpartition(":")[2].strip().casefold() for word in f"{robots},{header}".split(",")} - {""}
    reservation = headers.get("tdm-reservation", "") or _first(metas, ("tdm-reservation",))
    return Rights(
        robots=robots or None,
        x_robots_tag=header or None,
        noai=bool(words & _CONDITIONS) if words else None,
        tdm_reservation=reservation.strip() == "1" if reservation.strip() in ("0", "1") else None,
        licence_url=licence_url,
    )
