"""A page's source, decoded once for all functions that read it, with its JSON-LD."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.extraction.metadata.json_ld import JsonLd, read_json_ld
from aggregator.models.articles import ExtractInput
from aggregator.text.encoding import decode, html_declaration


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """The decoded source of a page, and what its JSON-LD states."""

    text: str
    json_ld: JsonLd


def read_markup(page: ExtractInput) -> Markup:
    """Decode a page and read its JSON-LD. `text/encoding.py` decides the encoding."""
    content_type = page.headers.get("content-type", "")
    text = decode(page.body, content_type=content_type, declared=html_declaration(page.body))
    return Markup(text=text, json_ld=read_json_ld(text, page.url))
