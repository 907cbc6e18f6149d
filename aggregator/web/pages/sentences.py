"""Sentences for pages, in two tables: why two addresses are one article, and why an article is doubtful."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aggregator.models.ids import EvidenceKind
from aggregator.ports.readings import TracedEvidence

_EVIDENCE: Final[Mapping[str, str]] = {
    EvidenceKind.REDIRECT: "a request for the first was redirected to the second, on the same site",
    EvidenceKind.PART: "the second is a further page of the first; both were fetched and joined",
    EvidenceKind.FEED_LINK: "one entry of a feed of {witness} names both",
    EvidenceKind.CANONICAL: "a page of {witness} names the second as its own address, in rel=canonical and og:url",
    EvidenceKind.DECLARED: "a page of {witness} names the second as another form of itself (AMP or short link)",
    EvidenceKind.BARE_CANONICAL: "a page of {witness} names the second in rel=canonical, and both have the same text",
    EvidenceKind.LESSON: "the two differ in a part of the address that {witness} has been seen not to mean anything by",
    EvidenceKind.SAME_TEXT: "both addresses of {witness} served the same text under the same title",
    EvidenceKind.SAME_ENTRY: "an entry of {witness} led to the first and leads to the second now; the texts are equal",
}
_QUALITY: Final[Mapping[str, str]] = {
    "consent_wall": "The text is that of a notice which asks for consent to cookies, not that of an article.",
    "paywall_stub": "Only the beginning is there: the page asks readers to subscribe for the rest.",
    "bot_check": "The page asks whether a human reads it, and shows no article.",
    "error_page": "The text is that of an error page.",
    "login": "The page asks for a login, and shows no article.",
    "listing": "The page lists other articles and has no text of its own.",
    "truncated": "The page or the feed announces at least twice as much text.",
    "fragment": "The page holds several times as much prose as the text.",
    "wrong_language": "The text is in another language than the feed.",
    "implausible_date": "The date cannot be right: before the web, in the future, or far from what the feed says.",
    "too_short": "The text is very short; it may be a teaser or a caption.",
}


def why_one(evidence: TracedEvidence) -> str:
    """Return why two keys are one article, such as "one entry of a feed of dw.com names both".

    For a kind of evidence that the table does not have, return the name of the kind and the witness.
    """
    said = _EVIDENCE.get(evidence.kind)
    if said is None:
        return f"{evidence.kind.replace('_', ' ')}, says {evidence.witness}"
    return said.format(witness=evidence.witness or "this site")


def why_doubtful(reason: str) -> str:
    """Return a sentence that explains a reason to doubt an article (a value of its `quality`).

    >>> why_doubtful("listing")
    'The page lists other articles and has no text of its own.'
    """
    return _QUALITY.get(reason, "No explanation is known here.")
