"""Decides whether a lesson is true at a site. Pairs of addresses, both fetched, prove or disprove it. Pure.

All pairs of one family (addresses with the same number, or else the same last segment) count once, as one path. A
lesson is true if pairs of three paths (an imported lesson: of one) were one article each, and no pair was two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from aggregator.identity.evidence import LIKE, KeyFacts, differ, resemblance
from aggregator.identity.lessons.variants import Lesson, LessonKind

PROOFS: Final = 3  # families
PROOFS_OF_IMPORTED: Final = 1
CHECK_EVERY: Final = 50  # uses


class Verdict(StrEnum):
    """Whether two addresses whose difference a lesson describes turned out to be one article."""

    OPEN = "open"  # not both were fetched
    ONE = "one"
    DIFFERENT = "different"
    NEITHER = "neither"  # both were fetched; the texts prove nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known about a lesson.

    `paths` has for each verdict how many families of addresses have a pair with it (`family_of`). `uses` is the number
    of addresses for which the lesson was used. `checked_at` is the time of the last verdict, or of the last check.
    """

    lesson: Lesson
    paths: Mapping[Verdict, int]
    probes: int = 0  # paths whose pages were not held back
    uses: int = 0
    checked_at: datetime | None = None
    imported: bool = False

    @property
    def proofs(self) -> int:
        """The number of families with a pair of addresses that was one article."""
        return self.paths.get(Verdict.ONE, 0)

    @property
    def contradictions(self) -> int:
        """The number of families with a pair of addresses that was two articles."""
        return self.paths.get(Verdict.DIFFERENT, 0)

    @property
    def needed(self) -> int:
        """The number of proofs that the lesson needs before it may be used."""
        return PROOFS_OF_IMPORTED if self.imported else PROOFS

    @property
    def holds(self) -> bool:
        """Whether the lesson is true, so that it may be used: it has enough proofs and no contradiction.

        A lesson from a redirect that answered one of our requests needs no proof.
        """
        if self.lesson.kind is LessonKind.REDIRECT:
            return True
        return self.proofs >= self.needed and not self.contradictions

    @property
    def is_open(self) -> bool:
        """Whether the lesson is still being proven.

        It is neither true nor disproved, and fewer than `needed` families have a pair that was fetched and compared.
        """
        decided = self.proofs + self.paths.get(Verdict.NEITHER, 0)
        return not self.holds and not self.contradictions and decided < self.needed

    @property
    def holds_back(self) -> bool:
        """Whether new pages whose addresses the lesson concerns are held back.

        They are if the lesson is not decided yet, and `needed` pairs of addresses are already being fetched to test it.
        """
        return self.is_open and self.probes >= self.needed

    def is_check(self, now: datetime) -> bool:
        """Return whether the next use of the lesson is a check: the address is fetched although the lesson joins it.

        Every 50th use is a check. So is the first use on a day (UTC) on which the lesson was not checked or decided
        yet. A lesson that a redirect gave is never checked.
        """
        if self.lesson.kind is LessonKind.REDIRECT:
            return False
        if (self.uses + 1) % CHECK_EVERY == 0:
            return True
        return self.checked_at is None or self.checked_at.date() < now.date()

    def used(self, checked_at: datetime | None) -> Standing:
        """Return `self` after one more use. `checked_at` is the time of this use if it is a check, else None."""
        return replace(self, uses=self.uses + 1, checked_at=checked_at or self.checked_at)

    def probed(self) -> Standing:
        """Return `self` with one more pair of addresses that will both be fetched."""
        return replace(self, probes=self.probes + 1)

    def sentence(self) -> str:
        """Return the lesson and its proofs as one line for people.

        >>> from aggregator.identity.lessons.variants import LessonKind
        >>> lesson = Lesson(tenant="courier.example", kind=LessonKind.PARAMETER, subject="?srnd")
        >>> Standing(lesson=lesson, paths={Verdict.ONE: 5}).sentence()
        '?srnd is tracking at courier.example: 5 proofs, none against'
        """
        proofs = "1 proof" if self.proofs == 1 else f"{self.proofs} proofs"
        against = f"{self.contradictions} against" if self.contradictions else "none against"
        checked = "" if self.checked_at is None else f", checked {self.checked_at:%Y-%m-%d}"
        return f"{self.lesson.claim}: {proofs}, {against}{checked}"


def compare(one: KeyFacts, other: KeyFacts, *, are_one: bool) -> Verdict:
    """Return the verdict on the texts at two addresses. `are_one`: other evidence has joined the addresses.

    `ONE`: `are_one`, and the texts are equal or nearly equal. `DIFFERENT`: not `are_one`, and the texts are two
    articles. `NEITHER`: all other cases.
    """
    if are_one and resemblance(one, other) >= LIKE:
        return Verdict.ONE
    if not are_one and differ(one, other) is True:
        return Verdict.DIFFERENT
    return Verdict.NEITHER
