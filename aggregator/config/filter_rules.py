"""The configuration keys `keep` and `skip`. Turns their rules into records of `filters`. Reads no file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    SerializerFunctionWrapHandler,
    StrictStr,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from aggregator.config.values import Name, Section, quote
from aggregator.filters.decide import RuleSet
from aggregator.filters.facts import TEXT_FIELDS
from aggregator.filters.rules import Rule, read_age, read_test, read_words


def _check_test(value: str, info: ValidationInfo) -> str:
    field = next(one for one in TEXT_FIELDS if one == info.field_name)
    read_test(field, value)
    return value


def _check_words(value: str) -> str:
    read_words(value)
    return value


def _check_age(value: str) -> str:
    read_age(value)
    return value


Test = Annotated[StrictStr, AfterValidator(_check_test)]


class FilterRule(Section):
    """One rule of `keep` or `skip`. An entry fits if all fields of the rule fit."""

    name: Name = ""
    """The name of the rule in `why`; "": the rule itself is shown."""
    title: Test | None = None
    """Words of the title, or "re:" and a pattern."""
    url: Test | None = None
    """A part of the address, or "re:" and a pattern."""
    author: Test | None = None
    """Words of an author's name, or "re:" and a pattern."""
    category: Test | None = None
    """Words of a category, or "re:" and a pattern."""
    language: Test | None = None
    """A code such as "de", or "re:" and a pattern."""
    text: Test | None = None
    """Words of the text, or "re:" and a pattern."""
    feed: Test | None = None
    """Words of the feed's name or address, or "re:" and a pattern."""
    words: Annotated[StrictStr, AfterValidator(_check_words)] | None = None
    """How many words the text has: "<80" or ">2000"."""
    age: Annotated[StrictStr, AfterValidator(_check_age)] | None = None
    """How old the entry was when it was first seen: ">30d" or "<2h"."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self._written():
            raise ValueError('asks nothing, so it would fit everything; write { title = "words" }')
        return self

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value not in (None, "")}

    def _written(self) -> dict[str, str]:
        return {key: value for key, value in self.model_dump().items() if key != "name"}

    def rule(self, place: str) -> Rule:
        """Return the rule as a record of `filters`. `place` is where it is written, such as `filter.skip[0]`."""
        written = self._written()
        return Rule(
            name=self.name or ", ".join(f"{key} = {quote(value)}" for key, value in written.items()),
            place=place,
            texts=tuple((field, read_test(field, written[field])) for field in TEXT_FIELDS if field in written),
            words=None if self.words is None else read_words(self.words),
            age=None if self.age is None else read_age(self.age),
        )


class FilterSettings(Section):
    """`[filter]`: which entries of all feeds are kept, and which are skipped."""

    keep: tuple[FilterRule, ...] = ()
    """Keep only entries that fit one of these rules; []: keep all."""
    skip: tuple[FilterRule, ...] = ()
    """Skip entries that fit one of these rules."""


def rule_set(keep: Sequence[FilterRule], skip: Sequence[FilterRule], place: str) -> RuleSet | None:
    """Return the rules of `keep` and `skip`; None: both are empty. `place` names their table (see `RuleSet.place`)."""
    if not keep and not skip:
        return None
    return RuleSet(
        place=place,
        keep=tuple(rule.rule(f"{place}keep[{index}]") for index, rule in enumerate(keep)),
        skip=tuple(rule.rule(f"{place}skip[{index}]") for index, rule in enumerate(skip)),
    )
