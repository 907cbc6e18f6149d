"""Decides whether an entry is kept, by the rules for all feeds and the rules of its own feed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from aggregator.filters.facts import Facts
from aggregator.filters.rules import Rule

NO_RULE: Final = "no rule of keep fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules of `[filter]` or of one feed. `place` (`FILE: filter.`) stands before `keep` and `skip` in messages."""

    place: str
    keep: tuple[Rule, ...] = ()
    skip: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision about an entry. `kind` "open": the rules need facts that only the article has (its text, ...).

    `rule` is the name of the rule that decided, and `place` is where it is written. `rule` "": no rule fits the entry,
    or the decision is open. `rule` is `NO_RULE` if the entry is skipped since no rule of a `keep` fits it.
    """

    kind: Literal["kept", "skipped", "open"]
    rule: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All `keep` and `skip` rules of a configuration. `digest` is a hash of them; "": there are no rules."""

    everywhere: RuleSet | None = None
    of_feeds: Mapping[str, RuleSet] = field(default_factory=dict)  # rules of feeds, by the address in the configuration
    digest: str = ""

    def sets_of(self, feed_url: str) -> tuple[RuleSet, ...]:
        """Return the rules that hold for entries of the feed with this configured address: `[filter]`, then its own."""
        return tuple(one for one in (self.everywhere, self.of_feeds.get(feed_url)) if one is not None)


NO_FILTERS: Final = Filters()


def decide(rules: tuple[RuleSet, ...], facts: Facts) -> Verdict:
    """Return what the rules decide about an entry with these facts.

    An entry is skipped if a rule of `skip` fits. It is also skipped if one of the rule sets has `keep` rules and none
    of them fits. The answer is "open" if missing facts may still change it.
    """
    kept, is_open = Verdict(kind="kept"), False
    for place in rules:
        for rule in place.skip:
            fits = rule.fits(facts)
            if fits:
                return Verdict(kind="skipped", rule=rule.name, place=rule.place)
            is_open = is_open or fits is None
        answers = [(rule, rule.fits(facts)) for rule in place.keep]
        found = next((rule for rule, fits in answers if fits), None)
        if found is not None:
            kept = Verdict(kind="kept", rule=found.name, place=found.place)
        elif any(fits is None for _, fits in answers):
            is_open = True
        elif answers:
            return Verdict(kind="skipped", rule=NO_RULE, place=f"{place.place}keep")
    return Verdict(kind="open") if is_open else kept
