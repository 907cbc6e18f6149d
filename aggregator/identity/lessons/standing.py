"""Decides whether a lesson is true at a site. Pairs of addresses, both fetched, prove or disprove it. Pure.

A lesson is true if pairs at three different paths were one article each (an imported lesson: at one path), and no pair
was two articles. A path here means all pairs of addresses with the same number, or else the same last segment
(`family_of`). The order of the pairs does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from aggregator.identity.evidence import LIKE, KeyFacts, differ, resemblance
from aggregator.identity.lessons.variants import Lesson, LessonKind

PROOFS: Final = 3  # paths
PROOFS_OF_IMPORTED: Final = 1
CHECK_EVERY: Final = 50  # uses


class Verdict(StrEnum):
    """The result of comparing the two addresses of a pair."""

    OPEN = "open"  # not both were fetched
    ONE = "one"
    DIFFERENT = "different"
    NEITHER = "neither"  # both were fetched; the texts prove nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known about a lesson.

    `paths` has for each verdict the number of paths whose pairs of addresses got it. `uses` is the number of addresses
    for which the lesson was used. `checked_at` is the time of the last verdict, or of the last use that was fetched as
    a check.
    """

    lesson: Lesson
    paths: Mapping[Verdict, int]
    probes: int = 0  # paths whose pages were not held back
    uses: int = 0
    checked_at: datetime | None = None
    imported: bool = False

    @property
    def proofs(self) -> int:
        """How often the lesson was proved. Pairs of addresses at one path count once."""
        return self.paths.get(Verdict.ONE, 0)

    @property
    def contradictions(self) -> int:
        """How often the lesson was disproved. Pairs of addresses at one path count once."""
        return self.paths.get(Verdict.DIFFERENT, 0)

    @property
    def needed(self) -> int:
        """The number of proofs that the lesson needs before it may be used."""
        return PROOFS_OF_IMPORTED if self.imported else PROOFS

    @property
    def holds(self) -> bool:
        """Whether the lesson is true, so that it may be used. A lesson about our own redirects is always true."""
        if self.lesson.kind is LessonKind.REDIRECT:
            return True
        return self.proofs >= self.needed and not self.contradictions

    @property
    def is_open(self) -> bool:
        """Whether the lesson is still being proven.

        It is neither true nor disproved, and pairs at fewer than `needed` paths have been fetched and compared.
        """
        decided = self.proofs + self.paths.get(Verdict.NEITHER, 0)
        return not self.holds and not self.contradictions and decided < self.needed

    @property
    def holds_back(self) -> bool:
        """Whether the next addresses that the lesson concerns wait, because enough pairs are already being fetched.

        The wait ends when these first `needed` pairs have been compared.
        """
        return self.is_open and self.probes >= self.needed

    def is_check(self, now: datetime) -> bool:
        """Return whether to fetch the next address for which the lesson is used, in order to check the lesson.

        This is every 50th use, and a use on a day (UTC) on which the lesson was not checked yet. Other uses make no
        request. A lesson about our own redirects needs no check.
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
        """Return `self` after one more pair of addresses whose pages will both be fetched."""
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
    """Return the verdict on the texts of two addresses. `are_one`: other evidence than this lesson joined the two.

    `ONE`: the addresses are joined, and the texts are equal or nearly equal. `DIFFERENT`: the addresses are not joined,
    and the texts are different articles.
    """
    if are_one and resemblance(one, other) >= LIKE:
        return Verdict.ONE
    if not are_one and differ(one, other) is True:
        return Verdict.DIFFERENT
    return Verdict.NEITHER
