"""Are the patterns in rules safe to run on addresses of strangers?

A pattern must say the whole text from "^" to "$", and its worst case must stay near linear: a quantifier never repeats
something that can be split in two ways. The check reads the structure, nothing is timed.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]  # the only parser of this syntax, same tree since 3.11
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MAX_PATTERN_LENGTH = 300
MAX_FLOATING = 2  # long quantifiers whose end is a matter of trial: each adds a power to the running time
_LONG = 32  # up to here a quantifier is taken for bounded

Chars = frozenset[int]
Item = tuple[Any, Any]  # operator and argument: the parser of `re` has no types

_ALL: Chars = frozenset(range(128))  # paths and queries are ASCII when patterns see them
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_CATEGORIES: dict[Any, Chars] = {
    sre.CATEGORY_DIGIT: frozenset(map(ord, "0123456789")),
    sre.CATEGORY_WORD: frozenset(c for c in _ALL if chr(c).isalnum() or chr(c) == "_"),
    sre.CATEGORY_SPACE: frozenset(map(ord, " \t\n\r\f\v")),
}
_CATEGORIES |= {
    sre.CATEGORY_NOT_DIGIT: _ALL - _CATEGORIES[sre.CATEGORY_DIGIT],
    sre.CATEGORY_NOT_WORD: _ALL - _CATEGORIES[sre.CATEGORY_WORD],
    sre.CATEGORY_NOT_SPACE: _ALL - _CATEGORIES[sre.CATEGORY_SPACE],
}


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the compiled pattern.

    Raises:
        ValueError: it is no regular expression, not anchored at both ends, or can run away; the text says which.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise ValueError(f"has {len(pattern)} characters; {MAX_PATTERN_LENGTH} are the most")
    try:
        compiled = re.compile(pattern, re.ASCII)
        items = list(_parser.parse(pattern, re.ASCII))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression ({error})") from error
    if not items or items[0][0] is not sre.AT or items[0][1] not in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
        raise ValueError('is not anchored; begin it with "^"')
    if items[-1][0] is not sre.AT or items[-1][1] not in (sre.AT_END, sre.AT_END_STRING):
        raise ValueError('is not anchored; end it with "$"')
    if _floating(items[1:-1], frozenset()) > MAX_FLOATING:
        raise ValueError("can run away: too many quantifiers that can end anywhere; name what lies between them")
    return compiled


def _floating(items: list[Item], follow: Chars) -> int:
    """Count the long quantifiers whose end is ambiguous; raise on what has no bound at all."""
    count = 0
    for index in range(len(items) - 1, -1, -1):
        operator, argument = items[index]
        if operator in _REPEATS:
            count += _floating_repeat(argument, follow)
        elif operator is sre.SUBPATTERN:
            count += _floating(list(argument[3]), follow)
        elif operator is sre.BRANCH:
            count += max(_floating(list(branch), follow) for branch in argument[1])
        elif operator not in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            raise ValueError("has a look-around, a back-reference or an inner anchor; use plain groups and classes")
        first, empty = _first([items[index]])
        follow = first | follow if empty else first
    return count


def _floating_repeat(argument: tuple[int, Any, Any], follow: Chars) -> int:
    low, high, body = argument
    inner = list(body)
    if high == 1:
        return _floating(inner, follow)
    first, empty = _first(inner)
    if empty:
        raise ValueError("can run away: a quantifier repeats what can be empty")
    if _has(inner, (sre.BRANCH,)):
        raise ValueError("can run away: alternatives under a quantifier; write a character class")
    if _has(inner, _REPEATS) and not _is_delimited(_flat(inner)):
        raise ValueError("can run away: nested quantifiers; end each round with a sign that its inside excludes")
    is_long = high is sre.MAXREPEAT or high - low > _LONG
    return int(is_long and bool(first & follow))


def _is_delimited(items: list[Item]) -> bool:
    """Say whether each round is one class repeated beside a character outside that class, all else being fixed."""
    repeats = [i for i, (operator, _) in enumerate(items) if operator in _REPEATS]
    if len(repeats) != 1:
        return False
    at = repeats[0]
    body = _flat(list(items[at][1][2]))
    if len(body) != 1 or body[0][0] in _REPEATS:
        return False
    chars = _chars(body[0])
    before = _chars(items[at - 1]) if at > 0 else chars
    after = _chars(items[at + 1]) if at + 1 < len(items) else chars
    return (at == 1 and not before & chars) or (at == len(items) - 2 and not after & chars)


def _flat(items: list[Item]) -> list[Item]:
    flat: list[Item] = []
    for operator, argument in items:
        flat += _flat(list(argument[3])) if operator is sre.SUBPATTERN else [(operator, argument)]
    return flat


def _has(items: list[Item], operators: tuple[Any, ...]) -> bool:
    for operator, argument in _flat(items):
        if operator in operators or (operator in _REPEATS and _has(list(argument[2]), operators)):
            return True
    return False


def _first(items: list[Item]) -> tuple[Chars, bool]:
    """Return the characters with which a match can begin, and whether it can be empty."""
    chars: Chars = frozenset()
    for operator, argument in items:
        if operator is sre.SUBPATTERN:
            first, empty = _first(list(argument[3]))
        elif operator is sre.BRANCH:
            branches = [_first(list(branch)) for branch in argument[1]]
            first, empty = frozenset().union(*(b[0] for b in branches)), any(b[1] for b in branches)
        elif operator in _REPEATS:
            first, empty = _first(list(argument[2]))
            empty = empty or argument[0] == 0
        else:
            first, empty = _chars((operator, argument)), False
        chars |= first
        if not empty:
            return chars, False
    return chars, True


def _chars(item: Item) -> Chars:
    operator, argument = item
    if operator is sre.LITERAL:
        return frozenset({argument})
    if operator is sre.NOT_LITERAL:
        return _ALL - {argument}
    if operator is not sre.IN:
        return _ALL
    chars: Chars = frozenset()
    negated = False
    for kind, value in argument:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            chars |= {value}
        elif kind is sre.RANGE:
            chars |= frozenset(range(value[0], value[1] + 1))
        else:
            chars |= _CATEGORIES[value]
    return _ALL - chars if negated else chars
