"""Compares two texts, line by line and word by word, for the page of an article."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

from aggregator.ports.readings import Revision

_MOST_LINES: Final = 3000  # of a text that is compared: difflib is quadratic
_MOST_WORDS: Final = 1000  # of a line
_ALIKE: Final = 0.3  # two lines that share less are shown as one that went and one that came
_WORD: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u0e00-\u9fff]+|\w+?|\s+|[^\w\s]"
)

Kind = Literal["added", "removed", "same", "place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffPart:
    """A part of a line: words that were added, removed, or are the same in both texts."""

    kind: Literal["added", "removed", "same"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of a comparison. The kind "place" is no line of a text: it is "…" for omitted lines, or a message."""

    kind: Literal["added", "removed", "changed", "same", "place"]
    parts: tuple[DiffPart, ...]

    @property
    def text(self) -> str:
        """All words of the line, added and removed ones included."""
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference between two successive revisions. `number` and `recorded_at` are those of the later one."""

    number: int
    recorded_at: datetime
    lines: tuple[DiffLine, ...]


def differences(revisions: Sequence[Revision]) -> tuple[Difference, ...]:
    """Return the difference of each revision from the one before it, the newest first."""
    return tuple(
        Difference(number=new.number, recorded_at=new.recorded_at, lines=tuple(compare_lines(_lines(old), _lines(new))))
        for old, new in reversed(list(pairwise(revisions)))
    )


def _lines(revision: Revision) -> list[str]:
    return [revision.content.title, "", *revision.content.body.split("\n")]


def compare_lines(old: Sequence[str], new: Sequence[str], *, context: int = 1) -> Iterator[DiffLine]:
    """Yield the comparison of two texts. Equal lines are left out, except `context` lines before and after a change.

    Texts of over 3,000 lines are not compared; a single line says so.
    """
    if max(len(old), len(new)) > _MOST_LINES:
        yield _whole("place", "too long to be compared here: `aggregator articles show --revisions` does it")
        return
    groups = difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context)
    for number, group in enumerate(groups):
        if number or group[0][1]:
            yield _whole("place", "…")
        for kind, old_from, old_to, new_from, new_to in group:
            if kind == "equal":
                yield from (_whole("same", line) for line in old[old_from:old_to])
            else:
                yield from _replaced(old[old_from:old_to], new[new_from:new_to])


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    """Compare the lines `old` with the lines `new` that replaced them, in pairs. Lines without a partner come last."""
    both = min(len(old), len(new))
    for before, after in zip(old[:both], new[:both], strict=True):
        parts = compare_words(before, after)
        if parts is None:
            yield _whole("removed", before)
            yield _whole("added", after)
        else:
            yield DiffLine(kind="changed", parts=parts)
    yield from (_whole("removed", line) for line in old[both:])
    yield from (_whole("added", line) for line in new[both:])


def compare_words(old: str, new: str) -> tuple[DiffPart, ...] | None:
    """Return a line with its removed and added words, or None if the old and the new line have too little in common.

    None is also returned if a line is empty or has over 1,000 words.

    >>> [(part.kind, part.text) for part in compare_words("six people hurt", "seven people hurt") or ()]
    [('removed', 'six'), ('added', 'seven'), ('same', ' people hurt')]
    >>> compare_words("all of it", "nothing") is None
    True
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    if not before or not after or max(len(before), len(after)) > _MOST_WORDS:
        return None
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    shared = sum(_count(before[start:end]) for kind, start, end, _, _ in changes if kind == "equal")
    if 2 * shared < _ALIKE * (_count(before) + _count(after)):
        return None
    parts: list[DiffPart] = []
    for kind, old_from, old_to, new_from, new_to in changes:
        if kind == "equal":
            parts.append(DiffPart(kind="same", text="".join(before[old_from:old_to])))
            continue
        if old_to > old_from:
            parts.append(DiffPart(kind="removed", text="".join(before[old_from:old_to])))
        if new_to > new_from:
            parts.append(DiffPart(kind="added", text="".join(after[new_from:new_to])))
    return tuple(parts)


def _count(words: Sequence[str]) -> int:
    return sum(not word.isspace() for word in words)


def _whole(kind: Kind, text: str) -> DiffLine:
    return DiffLine(kind=kind, parts=(DiffPart(kind="same" if kind == "place" else kind, text=text),))
