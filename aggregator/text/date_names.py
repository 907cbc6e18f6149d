"""Names of months and weekdays in the languages of CLDR; finds the months among the words of a date."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby

from aggregator.text.tables import read_table

_SHORTEST_START = 3  # letters of a shortened name
_SIGNS = {0x2212: "-", 0x2013: "-", 0x2010: "-"}  # minus, dash and hyphen
_SIGNS |= {0x064A: "\u06cc", 0x0649: "\u06cc", 0x0643: "\u06a9"}  # Arabic yeh and kaf: Persian is written with either
_PREFIXES = frozenset("\u05d1\u0712")  # "in", which Hebrew and Syriac write together with the name
# Letters of a case or an article, and of the name before it: Kurdish "adarê", Mongolian "сарын", Basque "azaroaren".
_ENDINGS = ((1, 4), (2, 5), (3, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class DateNames:
    """Names of months (with the month's number, 1 to 12) and weekdays. All names are folded (`fold`).

    A name that means one month in one language and another month in another language is only in `by_language`.
    """

    months: Mapping[str, int]  # of the languages in which much is published
    rare_months: Mapping[str, int]  # of all other languages; used if no name in `months` fits
    starts: Mapping[str, int]  # beginnings of names (three letters or more) that fit one month only
    persian: Mapping[str, int]  # months of the Solar Hijri calendar
    by_language: Mapping[str, Mapping[str, int]]  # the month names of each language, by its primary tag
    days: frozenset[str]
    most_words: int  # in the longest name


def fold(text: str) -> str:
    """Return `text` in small letters, with ASCII digits and single blanks, without accents."""
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
    """Return the names in the tables `date_names` and `more_date_names`. They are read once."""
    cldr, more = read_table("date_names"), read_table("more_date_names")
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


def _spelled(spellings: str) -> list[str]:
    """Return the folded names in one cell of a table, where "|" separates spellings.

    Names of two Latin letters are left out: in another language such a word may mean "of".
    """
    names = (" ".join(words_of(fold(spelling))) for spelling in spellings.split("|"))
    return [name for name in names if name and not (len(name) < _SHORTEST_START and name.isascii())]


def _meanings(rows: Iterable[list[str]]) -> dict[str, set[int]]:
    """Return the months that each name means. A row has the names of the twelve months in one language."""
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


# --- months in the words of a date ------------------------------------------------------------------------------------


def find_months(words: list[str], language: str, *, persian: bool) -> tuple[dict[int, int], int]:
    """Return the number of each month named in `words`, by the index of its first word, and how many words are unknown.

    A word is unknown if it is no month, weekday or number. A name that means different months in different languages is
    read only if `language` is one of these languages. `persian` True: only months of the Persian calendar are found.
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
    """Return the month in a word that has a one-letter prefix (Hebrew, Syriac) or an ending of up to three letters."""
    bare = [run[1:]] if run[0] in _PREFIXES else []
    bare += [run[:-ending] for ending, name in _ENDINGS if len(run) - ending >= name]
    return next((months[name] for name in bare if name in months), None)


def _look_up(
    words: list[str], month_of: Callable[[str], int | None], days: Collection[str], most_words: int
) -> tuple[dict[int, int], list[int]]:
    """Return the months named in `words`, by the index of their first word, and the indices of all unknown words.

    Names of days and numbers count as known. `most_words` is the greatest number of words in a name.
    """
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
