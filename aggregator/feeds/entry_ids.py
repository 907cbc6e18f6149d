"""The guid rule: an entry is identified by its id (guid), or by other fields if the ids of its feed are broken. Pure.

The other fields are the link, the link and the date, or the title and the date. One rule applies to the whole feed, so
a broken entry does not change the ids of others. Ids that change from one poll to the next are treated in
`store/polls/matching.py`. Whether a guid is also an address is decided in `entry_fields.is_permalink`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

Rule = Literal["id", "link", "link+date", "title+date"]

# The usual spelling, which is searched fast, and any other.
_PLAIN_ID = re.compile(r"<(?:guid|id)(?:\s[^>]{0,300})?>\s*(?:<!\[CDATA\[)?\s*([^<\]\s][^<\]]*)")
_ID = re.compile(
    r"<(?:[\w.-]{1,30}:)?(?:guid|id)\b[^>]{0,300}>\s*(?:<!\[CDATA\[)?\s*([^<\]\s][^<\]]*)"
    r"|\brdf:about\s?=\s?[\"']([^\"']+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The fields of an entry that can identify it, as written; `""`: the entry does not have the field."""

    id: str
    link: str
    date: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRule:
    """The fields that identify a feed's entries: `rule` for an entry with an id, `stand_in` for one without."""

    rule: Rule
    stand_in: Rule


WORKING_IDS = IdRule(rule="id", stand_in="link")


def has_plain_ids(slices: Sequence[str]) -> bool:
    """Return quickly whether each slice (the XML of one entry) has an id that no other slice has.

    If so, the ids identify the entries (`WORKING_IDS`), and the slower `choose_rule` is not needed.
    """
    seen: set[str] = set()
    for piece in slices:
        match = _PLAIN_ID.search(piece) or _ID.search(piece)
        if match is None:
            return False
        seen.add((match.group(1) or match.group(2)).strip())
    return len(seen) == len(slices)


def choose_rule(marks: Sequence[Mark]) -> IdRule:
    """Return the rule by which the entries of a feed are identified; `marks` has id, link, title and date of each.

    It is the id, unless no entry has one or entries with different links share one. Entries without an id (all entries,
    if ids are broken) are identified by the first of these that differs between different entries: link, link and date,
    title and date. If one of them has no link, it is title and date for all of them.
    """
    with_id = [mark for mark in marks if mark.id]
    works = bool(with_id) and not _collides((mark.id, mark.link) for mark in with_id)
    nameless = [mark for mark in marks if not mark.id] if works else marks
    stand_in: Rule = "link"
    if any(not mark.link for mark in nameless) or _collides((m.link, (m.title, m.date)) for m in nameless):
        stand_in = "link+date"
        if any(not mark.link for mark in nameless) or _collides(((m.link, m.date), m.title) for m in nameless):
            stand_in = "title+date"
    return IdRule(rule="id" if works else stand_in, stand_in=stand_in)


def _collides(pairs: Iterable[tuple[Hashable, Hashable]]) -> bool:
    """Return whether two of the `pairs` (name, value) have the same name and different values."""
    seen: dict[Hashable, Hashable] = {}
    return any(seen.setdefault(name, thing) != thing for name, thing in pairs)


def entry_id_of(mark: Mark, rule: IdRule) -> str:
    """Return what identifies an entry in its feed, never empty: its own id if `rule.rule` is "id" and it has one.

    Otherwise `rule.stand_in` decides: the link, link and date, or a hash of title and date. An entry without a link
    gets the hash.

    >>> entry_id_of(Mark(id="", link="https://dw.com/a-1", date="", title=""), WORKING_IDS)
    'https://dw.com/a-1'
    """
    if mark.id and rule.rule == "id":
        return mark.id
    match rule.stand_in:
        case "link" if mark.link:
            return mark.link
        case "link+date" if mark.link:
            return f"{mark.link} {mark.date}".strip()
    described = f"{mark.title}\n{mark.date}".encode("utf-8", "replace")
    return f"title:{blake2b(described, digest_size=16).hexdigest()}"
