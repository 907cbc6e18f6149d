"""Write the names of months and days of all languages of CLDR to a table: aggregator/publishers/tables/date_names.toml.

It needs `babel` (a wheel of CLDR's data), which the package does not use. The data is Unicode's, under the Unicode
License V3: `--licence FILE` writes its text, which lies beside the table.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from babel import localedata

# Where a name means one month here and another one in a language below, it means the one here.
_COMMON_NAMES = (
    "en ar az be bg bn bs bs_Cyrl ca cs cy da de el es et eu fa fi fil fr ga gl gu he hi hr hu hy id is it ja ka kk km "
    "kn ko ky lb lo lt lv mk ml mn mr ms mt my ne nl nn no pa pl ps pt ro ru si sk sl sq sr sr_Latn sv sw ta te th tr "
    "uk ur uz vi zh"
)
COMMON = _COMMON_NAMES.split()
FORMS = [(context, width) for width in ("wide", "abbreviated") for context in ("format", "stand-alone")]
HEAD = """\
# Names of months and days, made by tools/date_names.py from CLDR (babel {version}); do not edit. What CLDR lacks stands
# in more_date_names.toml. Unicode License V3: see date_names.LICENSE.
# Each language: its months January to December (or days), the spellings of each parted by "|".
"""


def names_of(locale: str, kind: str, keys: range) -> list[str]:
    """Return the spellings of each month or day in one locale; names of digits alone are left out."""
    data = localedata.LocaleDataDict(localedata.load(locale))
    rows = []
    for key in keys:
        found = dict.fromkeys(str(data[kind][context][width].get(key, "")) for context, width in FORMS)
        rows.append("|".join(name for name in found if not any(sign.isdigit() for sign in name)).strip("|"))
    return rows


def ambiguous_names(kind: str, keys: range, locales: list[str]) -> frozenset[str]:
    """Return the names that mean different months, or days, in different languages."""
    meanings: dict[str, set[int]] = {}
    for locale in locales:
        for key, row in zip(keys, names_of(locale, kind, keys), strict=True):
            for name in row.split("|"):
                meanings.setdefault(name.casefold(), set()).add(key)
    return frozenset(name for name, found in meanings.items() if len(found) > 1)


def lines(
    kind: str, keys: range, locales: list[str], seen: set[tuple[int, str]], ambiguous: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield a TOML line for each locale that has spellings which no earlier one has, or which mean two things."""
    for locale in locales:
        rows = []
        for key, row in zip(keys, names_of(locale, kind, keys), strict=True):
            new = (name for name in row.split("|") if (key, name) not in seen or name.casefold() in ambiguous)
            rows.append("|".join(filter(None, new)))
            seen.update((key, name) for name in row.split("|"))
        if any(rows):
            spelled = ", ".join('"' + row.replace("\\", "\\\\").replace('"', '\\"') + '"' for row in rows)
            yield f"{locale} = [{spelled}]"


def main() -> None:
    """Read the arguments, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--licence", type=Path)
    chosen = parser.parse_args()
    everything = sorted(name for name in localedata.locale_identifiers() if name != "root")
    common = COMMON + [name for name in everything if name.split("_")[0] in COMMON and name not in COMMON]
    others = [name for name in everything if name not in common]
    seen: set[tuple[int, str]] = set()
    ambiguous = ambiguous_names("months", range(1, 13), everything)
    parts = [HEAD.format(version=importlib.metadata.version("babel")), "[months.common]"]
    parts += [*lines("months", range(1, 13), common, seen, ambiguous), "", "[months.others]"]
    parts += [*lines("months", range(1, 13), others, seen, ambiguous), "", "[days.all]"]
    parts += [*lines("days", range(7), common + others, set())]
    chosen.table.write_text("\n".join(parts) + "\n", encoding="utf-8")
    if chosen.licence:
        source = Path(str(localedata.__file__)).with_name("locale-data") / "LICENSE.unicode"
        chosen.licence.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
