"""Names of months and days in the languages of CLDR, folded for look-up. It reads two tables, and no dates."""

from __future__ import annotations

import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby

_SHORTEST_START = 3  # letters of a shortened name
_SIGNS = {0x2212: "-", 0x2013: "-", 0x2010: "-"}  # minus, dash and hyphen
_SIGNS |= {0x064A: "\u06cc", 0x0649: "\u06cc", 0x0643: "\u06a9"}  # Arabic yeh and kaf: Persian is written with either


@dataclass(frozen=True, slots=True, kw_only=True)
class DateNames:
    """Folded names with single blanks. If a name means two months in two languages, only `by_language` has it."""

    months: Mapping[str, int]  # of languages in which much is published
    rare_months: Mapping[str, int]  # of all others; they count where none of the former is named
    starts: Mapping[str, int]  # beginnings of names, three letters or more, that fit one month only
    persian: Mapping[str, int]  # months of the Solar Hijri calendar
    by_language: Mapping[str, Mapping[str, int]]  # primary tag to those that it has of its own
    days: frozenset[str]
    most_words: int  # of one name


def fold(text: str) -> str:
    """Return `text` in small letters, ASCII digits, without accents and with single blanks."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    digits = (str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in decomposed)
    folded = "".join(c for c in digits if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", folded).translate(_SIGNS).split())


def words_of(folded: str) -> list[str]:
    """Return the numbers and words of a folded text, in order.

    >>> words_of("25th of nov., พ.ย.2024")
    ['25', 'th', 'of', 'nov', 'พ', 'ย', '2024']
    """
    return ["".join(signs) for kind, signs in groupby(folded, _kind_of) if kind]


def _kind_of(sign: str) -> str:
    if sign.isdecimal():
        return "number"
    return "word" if unicodedata.category(sign)[0] in "LM" else ""


@cache
def date_names() -> DateNames:
    """Return the names of both tables."""
    cldr, more = _read("date_names.toml"), _read("more_date_names.toml")
    common = _meanings([*cldr["months"]["common"].values(), *more["months"]["common"].values()])
    others = _meanings(cldr["months"]["others"].values())
    starts: defaultdict[str, set[int]] = defaultdict(set)
    for name, months in common.items():
        for length in range(_SHORTEST_START, len(name) if " " not in name else 0):
            starts[name[:length]] |= months
    days = (_spelled(spellings) for row in cldr["days"]["all"].values() for spellings in row)
    return DateNames(
        months=_unambiguous(common),
        rare_months=_unambiguous({name: months for name, months in others.items() if name not in common}),
        starts=_unambiguous(starts),
        persian=_unambiguous(_meanings(more["months"]["persian"].values())),
        by_language=_by_language([cldr["months"]["common"], cldr["months"]["others"], more["months"]["common"]]),
        days=frozenset(name for names in days for name in names),
        most_words=max(name.count(" ") + 1 for name in (*common, *others)),
    )


def _read(name: str) -> dict[str, dict[str, dict[str, list[str]]]]:
    table: dict[str, dict[str, dict[str, list[str]]]] = tomllib.loads(
        files("aggregator.text").joinpath(name).read_text(encoding="utf-8")
    )
    return table


def _spelled(spellings: str) -> list[str]:
    """Return the folded names in one cell of a table.

    Names of two Latin letters are left out: elsewhere they mean "of".
    """
    names = (" ".join(words_of(fold(spelling))) for spelling in spellings.split("|"))
    return [name for name in names if name and not (len(name) < _SHORTEST_START and name.isascii())]


def _meanings(rows: Iterable[list[str]]) -> dict[str, set[int]]:
    """Return the months that each name means in any language."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for row in rows:
        for month, spellings in enumerate(row, 1):
            for name in _spelled(spellings):
                found[name].add(month)
    return found


def _by_language(tables: Iterable[Mapping[str, list[str]]]) -> dict[str, dict[str, int]]:
    rows: defaultdict[str, list[list[str]]] = defaultdict(list)
    for table in tables:
        for locale, row in table.items():
            rows[locale.partition("_")[0]].append(row)
    return {language: _unambiguous(_meanings(found)) for language, found in rows.items()}


def _unambiguous(meanings: Mapping[str, set[int]]) -> dict[str, int]:
    return {name: next(iter(months)) for name, months in meanings.items() if len(months) == 1}
