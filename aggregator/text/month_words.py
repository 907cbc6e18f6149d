"""Finds months in the words of a date: in full, shortened, or with a particle attached. It reads no numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from aggregator.text.date_names import date_names

_PREFIXES = frozenset("\u05d1\u0712")  # "in", which Hebrew and Syriac write together with the name
# Letters of a case or an article, and of the name before it: Kurdish "adarê", Mongolian "сарын", Basque "azaroaren".
_ENDINGS = ((1, 4), (2, 5), (3, 5))

MonthOf = Callable[[str], "int | None"]


def find_months(words: list[str], language: str, *, persian: bool) -> tuple[dict[int, int], int]:
    """Return the months by the position of their word, and how many words are neither months nor weekdays.

    A name that means two months in two languages is read in the publisher's `language` only.
    """
    names = date_names()
    own = names.by_language.get(language.partition("-")[0].lower(), {})
    for known in (names.persian,) if persian else (own, names.months, names.rare_months):
        months, strange = _look_up(words, known.get, names.days, names.most_words)
        if months:
            return months, len(strange)
    if persian:
        return {}, 0
    months = {place: names.starts[words[place]] for place in strange if words[place] in names.starts}  # "сен", "octob"
    if months:
        return months, len(strange) - len(months)
    for known in (names.months, names.rare_months):
        months, strange = _look_up(words, partial(_attached, known), names.days, names.most_words)
        if months:
            break
    return months, len(strange)


def _attached(months: Mapping[str, int], run: str) -> int | None:
    """Return the month whose name has a particle before it or an ending behind it."""
    bare = [run[1:]] if run[0] in _PREFIXES else []
    bare += [run[:-ending] for ending, name in _ENDINGS if len(run) - ending >= name]
    return next((months[name] for name in bare if name in months), None)


def _look_up(
    words: list[str], month_of: MonthOf, days: Collection[str], most_words: int
) -> tuple[dict[int, int], list[int]]:
    """Return the months by their positions, and the positions of unknown words."""
    found, strange, place = dict[int, int](), list[int](), 0
    while place < len(words):
        runs = (" ".join(words[place : place + length]) for length in range(most_words, 0, -1))
        run = next((run for run in runs if month_of(run) is not None or run in days), "")
        month = month_of(run) if run else None
        if month is not None:
            found[place] = month
        elif not run and not words[place].isdecimal():
            strange.append(place)
        place += run.count(" ") + 1
    return found, strange
