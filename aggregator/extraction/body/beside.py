"""Drops blocks that stand between or below the paragraphs of the article and are not part of its text.

These are credits, captions, "Also read" lines (pointers), and notes after the end. They are recognised by links,
emphasis, punctuation and place, not by words. Every step is a function from blocks to blocks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import CLOSE, MARKS, Block, letters_of
from aggregator.extraction.body.vocabulary import NETWORKS
from aggregator.text.words import count_words
from aggregator.urls import registrable_domain

LINK = 0.8  # a block with this share of linked letters is a link
_MAX_SCRAP_CHARS = 60
_MAX_LEAD_CHARS = 70
_MIN_BREAKS = 2  # of a stanza
_MAX_NOTE_CHARS = 300
_MAX_LABEL_WORDS = 6
_MIN_HEADLINE_WORDS = 4
_MIN_NETWORKS = 2
_MAX_WRAPPERS = 4  # elements around a picture and its caption
_MIN_LEFT = 3  # blocks that an article keeps
_MAX_ENDING_SHARE = 0.2  # the share of the letters that may stand after the end
_NOT_PROSE = frozenset({"li", "dl", "table", "pre", "blockquote"})
_LEADER = re.compile(f"[^{MARKS['a']}]*[:：]\\s*{MARKS['a']}([^{MARKS['a']}]+){MARKS['a']}\\W*")
_OTHER_MARKS = re.compile(f"[{MARKS['em']}{MARKS['strong']}{MARKS['code']}]{CLOSE}?")
_EMPHASISED = re.compile(f"{MARKS['em']}[^{MARKS['em']}]*{MARKS['em']}{CLOSE}")


def drop_beside(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop chosen blocks that are not part of the text, although they stand within it or after it."""
    kept = {i for i in chosen if not (is_credit(blocks[i]) or is_pointer(blocks[i]) or is_caption(blocks[i]))}
    return drop_scraps(blocks, drop_ending(blocks, drop_leads_to_links(blocks, kept)))


def is_credit(block: Block) -> bool:
    """Return whether a block is a credit: it begins with ©, or it contains © and is no sentence."""
    if "©" not in block.text or block.inside & {"li", "dl", "pre"} or len(block.text) > _MAX_NOTE_CHARS:
        return False
    return block.text.startswith("©") or not block.ends_sentence


def is_caption(block: Block) -> bool:
    """Return whether a block is a caption: it is no sentence, and the only text of an element with a picture.

    In a `figure` a caption may be a sentence. A paragraph that contains a picture itself is text.
    """
    if block.is_heading or block.inside & _NOT_PROSE or len(block.text) > _MAX_NOTE_CHARS:
        return False
    if block.ends_sentence and "figure" not in block.inside:
        return False
    for place in islice(block.place.around(), _MAX_WRAPPERS):
        if place.tag in ("body", "article", "main") or not _is_all_of(block, place.element):
            return False
        if next(place.element.iter("img"), None) is not None:
            return place.tag != "p" and (place.tag == "figure" or not block.ends_sentence)
    return False


def _is_all_of(block: Block, element: Element) -> bool:
    """Return whether an element has the letters of the block and no others."""
    at = 0
    for text in map(letters_of, map(str, element.itertext())):
        if not block.letters.startswith(text, at):
            return False
        at += len(text)
    return at == len(block.letters)


def is_pointer(block: Block) -> bool:
    """Return whether a block points to another article: up to six words, a colon, a linked headline ("Also read: …").

    The headline has at least four words. Sentences and list entries are no pointers.
    """
    if not block.links or block.inside & _NOT_PROSE:
        return False
    found = _LEADER.fullmatch(_OTHER_MARKS.sub("", block.marked))
    if found is None or block.ends_sentence:
        return False
    headline = found.group(1)
    return count_words(headline) >= _MIN_HEADLINE_WORDS and count_words(block.text) <= (
        _MAX_LABEL_WORDS + count_words(headline)
    )


def drop_ending(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop invitations, biographies and notes at the end of the article. At least three blocks stay.

    Each dropped paragraph has a link. It is at most 300 characters long with links to two social networks, or it ends
    with a link instead of a full stop, or it is all in italics. Nothing is dropped if most paragraphs of the article do
    not end as sentences, or if over a fifth of the text would be lost.
    """
    order = sorted(chosen)
    prose = [i for i in order if _is_prose(blocks[i])]
    if 2 * sum(blocks[i].ends_sentence for i in prose) < len(prose):
        return chosen
    end = len(order)
    while end > _MIN_LEFT and _leads_away(blocks[order[end - 1]]):
        end -= 1
    dropped = sum(len(blocks[i].letters) for i in order[end:])
    whole = sum(len(blocks[i].letters) for i in order)
    return set(order[:end]) if dropped <= _MAX_ENDING_SHARE * whole else chosen


def _is_prose(block: Block) -> bool:
    return block.tag in ("p", "div") and not block.inside & _NOT_PROSE


def _leads_away(block: Block) -> bool:
    if not block.links or not _is_prose(block):
        return False
    if len(block.text) <= _MAX_NOTE_CHARS and len(_networks_of(block.links)) >= _MIN_NETWORKS:
        return True
    marked = _OTHER_MARKS.sub("", block.marked).rstrip()
    if marked.endswith(MARKS["a"] + CLOSE) and letters_of(marked.split(MARKS["a"])[-2]):
        return not block.ends_sentence
    return not letters_of(_EMPHASISED.sub("", block.marked))


def _networks_of(links: Sequence[str]) -> set[str]:
    """Return the domains of the social networks to which the links lead; a mail address gives "mail"."""
    return {
        "mail" if link.startswith("mailto:") else registrable_domain(link)
        for link in links
        if link.startswith("mailto:") or registrable_domain(link) in NETWORKS
    }


def drop_leads_to_links(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop chosen lines that introduce links ("Also read:"), if the blocks of these links are not chosen.

    Two linked blocks must follow the line; one is enough if the line ends with a colon or is the last chosen block.
    """
    last = max(chosen, default=-1)
    return {
        i
        for i in chosen
        if not (_may_lead(blocks[i]) and _is_link(blocks, chosen, i + 1))
        or not (i == last or _is_link(blocks, chosen, i + 2) or blocks[i].text.endswith((":", "：")))
    }


def _may_lead(block: Block) -> bool:
    """Return whether a block may introduce links: at most 70 characters, and a subhead, no sentence, or ":" or "?"."""
    if len(block.text) > _MAX_LEAD_CHARS:
        return False
    return block.is_heading or not block.ends_sentence or block.text.endswith((":", "?"))


def _is_link(blocks: Sequence[Block], chosen: set[int], place: int) -> bool:
    return place < len(blocks) and place not in chosen and blocks[place].link_share >= LINK


def drop_scraps(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Return `chosen` (indexes of blocks) without short lines in an unusual place that are no sentence: an age, a town.

    A place is unusual if less than a fifth of the text has a parent element of the same tag, class and id. Headings at
    the end of the text are left out, too, unless they end with a full stop.
    """
    weight: Counter[str] = Counter()  # of places that look alike: every paragraph may have a wrapper of its own
    for i in chosen:
        weight[blocks[i].style[1]] += len(blocks[i].letters)
    enough = 0.2 * weight.total()
    kept = {
        i
        for i in chosen
        if weight[blocks[i].style[1]] >= enough
        or blocks[i].is_heading
        or blocks[i].tag not in ("p", "div")
        or len(blocks[i].text) > _MAX_SCRAP_CHARS
        or blocks[i].ends_sentence
        or blocks[i].text.count("\n") >= _MIN_BREAKS
    }
    while kept and blocks[max(kept)].is_heading and not blocks[max(kept)].text.endswith((".", "。")):
        kept.remove(max(kept))  # headings above comments or further links; some captions are headings, too
    return kept
