"""Chooses the blocks of an article: by votes of the extractors, by statements of the page, and by structure.

Every step is a function from blocks to blocks; most take and return the indices of the chosen blocks. The pages are
parsed, and the extractors called, in `extract.py`.

A block with two of three votes belongs to the article, unless it is a headline, a caption, a bare link or furniture
(share bars, comments; see `furniture.py`). Blocks between such blocks in the same box are added: extractors lose lists,
tables, code, subheads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from aggregator.extraction.body.beside import LINK, drop_beside
from aggregator.extraction.body.blocks import Block, Place, letters_of
from aggregator.extraction.body.boxes import box_around, box_of
from aggregator.extraction.body.furniture import furniture_around, without_furniture
from aggregator.extraction.body.votes import Opinions
from aggregator.extraction.body.wrapped import (
    ASIDE,
    MIN_SENTENCE,
    add_enclosed,
    heads_of_items,
    is_prose,
    is_sentence,
    is_within,
)

_MIN_CONTAINED = 25
_MIN_SHARE = 0.5
_MIN_RECALLED = 0.7  # the share of the confirmed text that trafilatura needs, so that blocks it leaves out count
_MIN_FOUND = 0.3  # the share of the larger proposal that must be in the blocks; otherwise the proposal is used as it is
_MIN_BOX_SHARE, _MIN_LOOK_SHARE = 0.03, 0.06  # of the text: what a box, or boxes of one look, need to be filled
_MANY = 3  # how many times more prose than the chosen text
_MIN_REPEATED = 400
_MIN_TEASER_CHARS = 40
_MIN_PROSE_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """The texts by which an article's blocks are recognised, as its page states them.

    `article` is the articleBody of JSON-LD, `teasers` are the descriptions in the page's head.
    """

    title: str = ""
    article: str = ""
    teasers: tuple[str, ...] = ()


def select_body(blocks: Sequence[Block], opinions: Opinions, guide: Guide) -> list[Block] | None:
    """Return the blocks of the article in the page's order.

    None: the blocks chosen by the extractors' votes have less than 30 % of the text that the extractors found.
    """
    votes = [opinions.votes_for(block) for block in blocks]
    title = letters_of(guide.title)
    chosen = drop_strays(blocks, confirm(blocks, votes), opinions)
    chosen |= prose_of_one(blocks, votes, chosen, opinions)
    if _size(blocks, chosen) < _MIN_FOUND * opinions.size:
        return None
    chosen = drop_next_article(blocks, chosen)
    chosen = grow(blocks, chosen, votes, title)
    chosen = add_enclosed(blocks, chosen, votes)
    chosen = drop_repeated(blocks, chosen, opinions)
    chosen = fill(blocks, chosen, votes)
    chosen = follow_guide(blocks, chosen, votes, letters_of(guide.article))
    chosen = drop_head(blocks, chosen, title)
    chosen = drop_beside(blocks, chosen)
    chosen = add_teaser(blocks, chosen, [letters_of(teaser) for teaser in guide.teasers])
    return [blocks[i] for i in sorted(chosen)]


def _size(blocks: Sequence[Block], chosen: set[int]) -> int:
    return sum(len(blocks[i].letters) for i in chosen)


def confirm(blocks: Sequence[Block], votes: Sequence[int]) -> set[int]:
    """Return the blocks with two votes or more, except headlines, captions, bare links and furniture."""
    confirmed = {i for i, block in enumerate(blocks) if votes[i] >= 2 and _may_be_text(block)}
    return without_furniture(blocks, confirmed)


def prose_of_one(blocks: Sequence[Block], votes: Sequence[int], chosen: set[int], opinions: Opinions) -> set[int]:
    """Return the prose (long sentences) that only Resiliparse has; none if it is not over three times the chosen text.

    Most extractors look for one box full of paragraphs: of a recipe they find only the introduction.
    """
    lone = {i for i, block in enumerate(blocks) if votes[i] == 1 and is_prose(block)}
    enough = _MANY * _size(blocks, chosen)
    if _size(blocks, lone) <= enough:
        return set()
    prose = {i for i in lone if opinions.is_plain(blocks[i])}
    return prose if _size(blocks, prose) > enough else set()


def drop_strays(blocks: Sequence[Block], chosen: set[int], opinions: Opinions) -> set[int]:
    """Drop blocks that are no sentence and not in trafilatura's text, such as captions and counters in their own box.

    A block is kept if its box has 3 % or more of what trafilatura's text shares with the chosen text. Nothing is
    dropped if they share less than 70 % of the chosen text. Rows, list entries, code and subheads stay, since
    trafilatura often loses them.
    """
    recalled = {i for i in chosen if opinions.is_recalled(blocks[i])}
    size = _size(blocks, recalled)
    if size < _MIN_RECALLED * _size(blocks, chosen):
        return chosen
    homes: Counter[int] = Counter()
    for i in recalled:
        homes[box_of(blocks[i]).number] += len(blocks[i].letters)
    return {
        i
        for i in chosen
        if i in recalled or _stands_alone(blocks[i]) or homes[box_of(blocks[i]).number] >= _MIN_BOX_SHARE * size
    }


def _stands_alone(block: Block) -> bool:
    """Return whether a block is text wherever it stands: a sentence, a subhead, a part of a list or table, code."""
    return is_sentence(block) or block.is_heading or bool(block.inside & {"pre", "table", "li", "dl"})


def _may_be_text(block: Block) -> bool:
    return not block.inside & {"h1", "figcaption"} and (block.link_share < LINK or _is_linked_sentence(block))


def _is_linked_sentence(block: Block) -> bool:
    """Return whether a linked block is a paragraph: it is long and ends like a sentence. Headlines do not."""
    return block.tag in ("p", "blockquote") and is_sentence(block)


def _opens(block: Block, votes: int) -> bool:
    """Return whether a linked block may be the first of an article: a long sentence, which an extractor chose too."""
    return votes > 0 and block.link_share >= LINK and _is_linked_sentence(block)


def drop_next_article(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Return the chosen blocks before the h1 of a second `article`, since endless pages append other articles.

    All are returned if none is chosen between the first h1 and the second.
    """
    heads = [i for i, block in enumerate(blocks) if "h1" in block.inside and block.article]
    others = [i for i in heads[1:] if not is_within(blocks[i], blocks[heads[0]].article)]
    if not others or not any(heads[0] < i < others[0] for i in chosen):
        return chosen
    return {i for i in chosen if i < others[0]}


def grow(blocks: Sequence[Block], chosen: set[int], votes: Sequence[int], title: str) -> set[int]:
    """Return `chosen` and the blocks that extractors lost between them: lists, rows, code, subheads, quotations.

    An added block is in an element with at least 3 % of the chosen text, or all elements with that element's tag, class
    and id together have 6 % of it.
    Headings right above the text, a list right below it, and headings such as questions (`heads_of_items`) are added.
    """
    if not chosen:
        return chosen
    boxes = [box_of(block) for block in blocks]
    sizes, looks = Counter[int](), Counter[str]()
    for i in chosen:
        sizes[boxes[i].number] += len(blocks[i].letters)
        if boxes[i].names:
            looks[boxes[i].look] += len(blocks[i].letters)
    size = _size(blocks, chosen)
    known = {blocks[i].letters for i in chosen}
    heads = _h1_subheads(blocks, boxes, title)
    openers = {i for i, block in enumerate(blocks) if i in heads or block.is_heading or _opens(block, votes[i])}
    questions = heads_of_items(blocks, boxes, chosen)
    start = _start_of_text(boxes, min(chosen), openers, questions)
    named = {furniture_around(blocks[i]) for i in chosen}  # an element around the text is no furniture
    grown = set(chosen)
    for i in range(start, _end_of_text(blocks, boxes, chosen, sizes, votes) + 1):
        block = blocks[i]
        if i in chosen or (block.letters in known and len(block.letters) >= _MIN_CONTAINED):
            continue
        is_home = sizes[boxes[i].number] >= _MIN_BOX_SHARE * size or looks[boxes[i].look] >= _MIN_LOOK_SHARE * size
        may_stay = i in questions or (is_home and (i in heads or _belongs(block, votes[i], title)))
        if may_stay and furniture_around(block) in named | {None}:
            grown.add(i)
    return _without_lone_heads(blocks, grown, chosen)


def _h1_subheads(blocks: Sequence[Block], boxes: Sequence[Place], title: str) -> frozenset[int]:
    """Return the indices of the h1 that are subheads: at least two, in boxes with the same tag, class and id.

    An h1 that contains the headline, or is contained in it, is no subhead.
    """
    heads = [i for i, b in enumerate(blocks) if "h1" in b.inside and b.letters not in title and title not in b.letters]
    looks = Counter(boxes[i].look for i in heads)
    return frozenset(i for i in heads if looks[boxes[i].look] >= 2)


def _start_of_text(boxes: Sequence[Place], first: int, openers: Set[int], heads: Set[int]) -> int:
    """Return the index of the block with which the text begins.

    It is the first chosen block (`first`), or the highest of the `openers` (headings, linked sentences) and `heads`
    (headings such as questions) right above it. `openers` must be in the box of the block below, `heads` need not.
    """
    while first and (first - 1 in heads or (boxes[first - 1] is boxes[first] and first - 1 in openers)):
        first -= 1
    return first


def _end_of_text(
    blocks: Sequence[Block], boxes: Sequence[Place], chosen: set[int], sizes: Counter[int], votes: Sequence[int]
) -> int:
    """Return the index of the last block that may be added: the last chosen block, or a later one in the same box.

    A later one counts only if this box has half of the chosen text. A later block in a wrapper (a `div` around
    one table or quotation) must also have a vote and stand right below a subhead or row: it may be a weather table.
    """
    last = max(chosen)
    box = boxes[last]
    if sizes[box.number] < _MIN_SHARE * _size(blocks, chosen):
        return last
    while last + 1 < len(boxes) and boxes[last + 1] is box:
        is_below = votes[last + 1] > 0 and (blocks[last].is_heading or blocks[last].tag == "tr")
        if not is_below and box_around(blocks[last + 1]) is not box:
            break
        last += 1
    return last


def _belongs(block: Block, votes: int, title: str) -> bool:
    """Return whether a block between chosen blocks may be added. `votes` is its number of votes.

    Captions, headlines, and links that are neither a sentence nor a subhead may not. A block without a vote may not be
    added if it is in navigation, a form or the like.
    """
    if block.inside & {"figcaption", "h1"} or block.letters == title:
        return False
    if not votes and block.inside & ASIDE:
        return False
    if block.link_share < LINK or _is_linked_sentence(block):
        return True
    return block.is_heading and "h1" not in block.inside


def _without_lone_heads(blocks: Sequence[Block], grown: set[int], sure: set[int]) -> set[int]:
    """Drop added headings without text right below them: they belong to a list of links or to another article."""
    kept = set(grown)
    follower: int | None = None
    for i in sorted(grown, reverse=True):
        block = blocks[i]
        is_heading = block.is_heading or "h1" in block.inside
        if is_heading and i not in sure and (follower is None or not _is_under(blocks, i, follower)):
            kept.discard(i)
            continue
        follower = i
    return kept


def _is_under(blocks: Sequence[Block], heading: int, follower: int) -> bool:
    """Return whether the block `follower` belongs to the heading above it: at most one block is between them.

    If the heading is a link, `follower` must be the next block, and either long or a row, list entry or code.
    """
    if blocks[heading].link_share < LINK:
        return follower - heading <= 2
    below = blocks[follower]
    return follower - heading == 1 and (len(below.letters) >= MIN_SENTENCE or below.tag in ("li", "tr", "pre"))


def drop_repeated(blocks: Sequence[Block], chosen: set[int], opinions: Opinions) -> set[int]:
    """Drop blocks that repeat other blocks. Pages contain their text again for telephones, printers and players.

    Of equal blocks, those in the box with the most chosen text stay; others stay only as often as trafilatura's text
    has them (a refrain). Pull quotes, and large blocks that contain other chosen blocks, are dropped.
    """
    weight: Counter[int] = Counter()
    same: defaultdict[str, list[int]] = defaultdict(list)
    for i in sorted(chosen):
        weight[box_of(blocks[i]).number] += len(blocks[i].letters)
        same[blocks[i].letters].append(i)
    kept: set[int] = set()
    for letters, places in same.items():
        home = max((box_of(blocks[i]).number for i in places), key=weight.__getitem__)
        own = {i for i in places if box_of(blocks[i]).number == home}
        others = [i for i in places if i not in own]
        kept.update(own, others[: max(0, opinions.recall.count(letters) - len(own))])
    whole = {i: blocks[i].letters for i in kept}
    return {i for i in kept if not _repeats_others(blocks, i, kept) and not _is_pull_quote(blocks[i], whole)}


def _is_pull_quote(block: Block, chosen: Mapping[int, str]) -> bool:
    """Return whether a block in `aside`, `blockquote` or `figure` only repeats words of a longer chosen block."""
    if len(block.letters) < _MIN_CONTAINED or not block.inside & {"aside", "blockquote", "figure"}:
        return False
    return any(block.letters in letters and len(block.letters) < len(letters) for letters in chosen.values())


def _repeats_others(blocks: Sequence[Block], place: int, chosen: set[int]) -> bool:
    """Return whether at least half of a large block (400 letters, a fifth of the text) repeats other chosen blocks."""
    own = blocks[place].letters
    if len(own) < _MIN_REPEATED or len(own) * 5 < sum(len(blocks[i].letters) for i in chosen):
        return False
    parts = {blocks[i].letters for i in chosen if i != place and len(blocks[i].letters) >= _MIN_CONTAINED}
    return sum(len(part) for part in parts if part in own) * 2 >= len(own)


def fill(blocks: Sequence[Block], chosen: set[int], votes: Sequence[int]) -> set[int]:
    """Add each paragraph that has a vote and the look of at least a fifth of the chosen text.

    The look is the tag, class and id of a paragraph and of the element around it. Extractors may take only the first of
    an article's pieces. A further article, below its own headline or in its own `article` element, is not added.
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
        if block.link_share <= 0.5 and not block.inside & {"figcaption", "h1"} and votes[i]:
            filled.add(i)
            known.add(block.letters)
    return filled


def follow_guide(blocks: Sequence[Block], chosen: set[int], votes: Sequence[int], article: str) -> set[int]:
    """Choose the blocks that an extractor has and whose text is in JSON-LD's articleBody (`article`, as letters).

    Chosen subheads, lists, tables, code and quotations between them stay, since articleBody often lacks these. Nothing
    changes if articleBody has less than 300 letters, if these blocks are less than 70 % of articleBody, or if less than
    half of the chosen text is in articleBody.
    """
    if len(article) < 300 or not chosen:
        return chosen
    first: dict[str, int] = {}
    for i, block in enumerate(blocks):
        if len(block.letters) >= 12 and votes[i] and block.letters in article:
            first.setdefault(block.letters, i)
    confirmed = {i for i in first.values() if not _repeats_others(blocks, i, set(first.values()))}
    agreed = sum(len(blocks[i].letters) for i in chosen if blocks[i].letters in first)
    covers = sum(map(len, first)) >= 0.7 * len(article)
    if not covers or agreed < _MIN_SHARE * _size(blocks, chosen):
        return chosen
    start, end = min(confirmed), max(confirmed)
    return confirmed | {i for i in chosen if start < i < end and _is_often_left_out(blocks[i])}


def _is_often_left_out(block: Block) -> bool:
    return block.is_heading or bool(block.inside & {"h1", "pre", "table", "li", "blockquote"})


def drop_head(blocks: Sequence[Block], chosen: set[int], title: str) -> set[int]:
    """Drop the chosen blocks up to the one that equals the headline, if half of the text or more follows it.

    Only the first ten chosen blocks are searched for the headline.
    """
    if not title:
        return chosen
    heads = [i for i in sorted(chosen)[:10] if blocks[i].letters == title]
    if not heads:
        return chosen
    rest = {i for i in chosen if i > heads[-1]}
    size = sum(len(blocks[i].letters) for i in chosen)
    return rest if sum(len(blocks[i].letters) for i in rest) >= _MIN_SHARE * size else chosen


def add_teaser(blocks: Sequence[Block], chosen: set[int], teasers: Sequence[str]) -> set[int]:
    """Return `chosen` and the indices of teasers: blocks before the text that repeat a description of the page.

    `teasers` are the descriptions, as `letters_of` returns them. The blocks between headline and text are searched;
    without a headline, the last twelve before the text.
    """
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
    """Return whether a block contains one of `teasers`, is a part of one, or begins with the same 40 letters."""
    return any(letters in teaser or teaser in letters or letters[:40] == teaser[:40] for teaser in teasers if teaser)
