"""Which blocks of a page are its article: the opinions of three extractors, what the page says of itself, and rules.

Every step is a function from blocks to blocks. It parses no page and calls no extractor: `extract` does.

trafilatura proposes; what it proposes is dropped where neither of the others confirms it or where its place speaks
against it (headline, caption, bare link); what it missed is filled up where it stands among the text. Phrase lists,
removal of repeated lines and trimming of the tail were tried and do not help.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aggregator.extraction.blocks import Block, letters_of

_MIN_CONTAINED = 25  # letters from which a text may be part of a longer line; shorter ones must be a line
_MIN_SHARE = 0.5  # of the proposal must be found again in the page's blocks, else the proposal is taken as it is
_PROSE_TAGS = frozenset({"p", "h2", "h3", "section", "td", "blockquote", "article"})
_FURNITURE = re.compile(
    r"caption|credit|byline|breadcrumb|newsletter|related|comment|share|social|promo|copyright|factbox|footer|navbar"
    r"|teaser(?!text)",
    re.IGNORECASE,
)
_MIN_REPEATED = 400
_MIN_TEASER_CHARS = 40
_MAX_SCRAP_CHARS = 60
_SENTENCE_ENDS = (".", "!", "?", "…", ":", "。", "！", "？", "」", "।", "؟")
_MIN_PROSE_CHARS = 80


class Opinion:
    """What one extractor takes for the article, to be asked about a block.

    `lines` are read when it is first asked: an extractor that nobody needs does not run.
    """

    __slots__ = ("_read", "_source")

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = lines
        self._read: tuple[Counter[str], str] | None = None

    @property
    def size(self) -> int:
        """How many letters it has."""
        return len(self._letters()[1])

    def has(self, letters: str) -> bool:
        """Tell whether the text is in it: as a line, or, if it is long enough, as a part of its lines."""
        lines, whole = self._read or self._letters()
        return letters in lines or (len(letters) >= _MIN_CONTAINED and letters in whole)

    def count(self, letters: str) -> int:
        """Return how many lines are exactly this text."""
        return self._letters()[0][letters]

    def _letters(self) -> tuple[Counter[str], str]:
        if self._read is None:
            folded = [letters_of(line) for line in self._source]
            self._read = Counter(folded), "".join(folded)
        return self._read


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """What the page says of itself: `article` is JSON-LD's articleBody, `teasers` its descriptions, as plain text."""

    title: str = ""
    article: str = ""
    teasers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """Whom we ask: `proposal` proposes, `readable` and `plain` confirm; `second`, if asked, has a veto."""

    proposal: Opinion
    readable: Opinion
    plain: Opinion
    second: Opinion | None = None


def select_body(blocks: Sequence[Block], opinions: Opinions, guide: Guide) -> list[Block] | None:
    """Return the blocks of the article in the page's order; None when the proposal is not found in the blocks."""
    chosen = confirm(blocks, opinions)
    if sum(len(blocks[i].letters) for i in chosen) < _MIN_SHARE * opinions.proposal.size:
        return None
    chosen = drop_next_article(blocks, chosen)
    chosen = drop_repeated(blocks, chosen, opinions.proposal)
    chosen = fill(blocks, chosen, opinions.plain)
    chosen = follow_guide(blocks, chosen, opinions, letters_of(guide.article))
    chosen = drop_head(blocks, chosen, letters_of(guide.title))
    chosen = drop_scraps(blocks, chosen)
    chosen = add_teaser(blocks, chosen, [letters_of(teaser) for teaser in guide.teasers])
    return [blocks[i] for i in sorted(chosen)]


def confirm(blocks: Sequence[Block], opinions: Opinions) -> set[int]:
    """Return the proposed blocks that are confirmed and whose place does not speak against them."""
    proposed = (i for i, block in enumerate(blocks) if opinions.proposal.has(block.letters))
    chosen = _without_furniture(blocks, {i for i in proposed if _is_prose(blocks[i], opinions)})
    if opinions.second is None:
        return chosen
    agreed = {i for i in chosen if opinions.second.has(blocks[i].letters)}
    size = sum(len(blocks[i].letters) for i in chosen)
    return agreed if sum(len(blocks[i].letters) for i in agreed) >= _MIN_SHARE * size else chosen


def _is_prose(block: Block, opinions: Opinions) -> bool:
    if block.inside & {"h1", "figcaption"} or block.link_share >= 0.8:
        return False
    if block.tag in _PROSE_TAGS - {"h3"} and "li" not in block.inside and opinions.plain.has(block.letters):
        return True
    return opinions.readable.has(block.letters)  # asked last: of the three it costs most


def _without_furniture(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop what is classed as furniture, unless the class is on a good part of the text ("article has-share-bar")."""
    furniture = {i for i in chosen if _FURNITURE.search(blocks[i].classes)}
    size = sum(len(blocks[i].letters) for i in chosen)
    return chosen - furniture if 3 * sum(len(blocks[i].letters) for i in furniture) <= size else chosen


def drop_next_article(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop what stands in a further `article` element that begins with a headline of its own: endless pages."""
    heads = [i for i, block in enumerate(blocks) if "h1" in block.inside and block.article]
    others = [i for i in heads[1:] if blocks[i].article != blocks[heads[0]].article]
    if not others or not any(heads[0] < i < others[0] for i in chosen):
        return chosen
    return {i for i in chosen if i < others[0]}


def drop_repeated(blocks: Sequence[Block], chosen: set[int], proposal: Opinion) -> set[int]:
    """Keep of each text as many blocks as were proposed, those that stand among most of the text.

    Pages carry their text again for telephones, printers and players.
    """
    weight: Counter[int] = Counter()
    same: defaultdict[str, list[int]] = defaultdict(list)
    for i in sorted(chosen):
        weight[blocks[i].parent] += len(blocks[i].letters)
        same[blocks[i].letters].append(i)
    kept: set[int] = set()
    for letters, places in same.items():
        places.sort(key=lambda i: -weight[blocks[i].parent])
        kept.update(places[: max(1, proposal.count(letters))])
    return {i for i in kept if not _repeats_others(blocks, i, kept)}


def _repeats_others(blocks: Sequence[Block], place: int, chosen: set[int]) -> bool:
    """Tell whether a block holds most of the text once more, in one piece."""
    own = blocks[place].letters
    if len(own) < _MIN_REPEATED or len(own) * 5 < sum(len(blocks[i].letters) for i in chosen):
        return False
    parts = {blocks[i].letters for i in chosen if i != place and len(blocks[i].letters) >= _MIN_CONTAINED}
    return sum(len(part) for part in parts if part in own) * 2 >= len(own)


def fill(blocks: Sequence[Block], chosen: set[int], plain: Opinion) -> set[int]:
    """Add the paragraphs that look like the chosen ones, where Resiliparse has them too.

    Long articles come in pieces, and an extractor may take the first for all. A further article on the page, below its
    own headline or in its own `article` element, is not filled up.
    """
    if not chosen:
        return chosen
    looks: Counter[tuple[str, str]] = Counter()
    for i in chosen:
        if blocks[i].tag == "p":
            looks[blocks[i].style] += len(blocks[i].letters)
    enough = 0.2 * sum(len(blocks[i].letters) for i in chosen)
    articles = {blocks[i].article for i in chosen}
    known = {blocks[i].letters for i in chosen}
    first, filled = min(chosen), set(chosen)
    for i, block in enumerate(blocks):
        if i > first and "h1" in block.inside and block.letters not in known:
            break
        if i in chosen or block.tag != "p" or block.letters in known:
            continue
        if looks[block.style] < enough or not looks[block.style] or block.article not in articles:
            continue
        if block.link_share <= 0.5 and not block.inside & {"figcaption", "h1"} and plain.has(block.letters):
            filled.add(i)
            known.add(block.letters)
    return filled


def follow_guide(blocks: Sequence[Block], chosen: set[int], opinions: Opinions, article: str) -> set[int]:
    """Take what JSON-LD's articleBody confirms, if it is this text and is on the page; else leave the choice alone.

    Subheads are seldom in it and stay where they stand within the text.
    """
    if len(article) < 300 or not chosen:
        return chosen
    first: dict[str, int] = {}
    for i, block in enumerate(blocks):
        if len(block.letters) >= 12 and block.letters in article:
            seen = opinions.plain.has(block.letters) or opinions.proposal.has(block.letters)
            if seen or opinions.readable.has(block.letters):
                first.setdefault(block.letters, i)
    confirmed = {i for i in first.values() if not _repeats_others(blocks, i, set(first.values()))}
    agreed = sum(len(blocks[i].letters) for i in chosen if blocks[i].letters in first)
    covers = sum(map(len, first)) >= 0.7 * len(article)
    if not covers or agreed < 0.5 * sum(len(blocks[i].letters) for i in chosen):
        return chosen
    start, end = min(confirmed), max(confirmed)
    return confirmed | {i for i in chosen if start < i < end and blocks[i].is_heading}


def drop_head(blocks: Sequence[Block], chosen: set[int], title: str) -> set[int]:
    """Drop the lines up to the one that equals the headline, if most of the text comes after it."""
    if not title:
        return chosen
    heads = [i for i in sorted(chosen)[:10] if blocks[i].letters == title]
    if not heads:
        return chosen
    rest = {i for i in chosen if i > heads[-1]}
    size = sum(len(blocks[i].letters) for i in chosen)
    return rest if sum(len(blocks[i].letters) for i in rest) >= _MIN_SHARE * size else chosen


def drop_scraps(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop what is no sentence, short, and does not stand among the text: an age line, a counter, a place.

    They change while the article stays the same.
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
        or blocks[i].text.rstrip("\"'”’»)“").endswith(_SENTENCE_ENDS)
    }
    while kept and blocks[max(kept)].is_heading:  # of comments, of more to read
        kept.remove(max(kept))
    return kept


def add_teaser(blocks: Sequence[Block], chosen: set[int], teasers: Sequence[str]) -> set[int]:
    """Add the paragraph between headline and text that the page also gives as its description."""
    first = next((i for i in sorted(chosen) if len(blocks[i].text) >= _MIN_PROSE_CHARS), None)
    if first is None or not teasers:
        return chosen
    heads = [i for i in range(first) if "h1" in blocks[i].inside]
    known = {blocks[i].letters for i in chosen}
    added = set(chosen)
    for i in range(heads[-1] if heads else max(0, first - 12), first):
        block = blocks[i]
        if block.letters in known or len(block.text) < _MIN_TEASER_CHARS or block.link_share > 0.5:
            continue
        if not block.inside & {"h1", "figcaption", "figure", "nav"} and _is_one_of(block.letters, teasers):
            added.add(i)
            known.add(block.letters)
    return added


def _is_one_of(letters: str, teasers: Sequence[str]) -> bool:
    """Tell whether a description says the same: more of it, less of it, or the same and another end."""
    return any(letters in teaser or teaser in letters or letters[:40] == teaser[:40] for teaser in teasers if teaser)
