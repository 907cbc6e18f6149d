"""Site-config files of FiveFilters, read as rules about pages: https://github.com/fivefilters/ftr-site-config.

There is one text file per host (`example.org.txt`; `.example.org.txt` is for the host and every host below it). Its
lines are `directive: value`. These directives are used: `body`, `strip`, `strip_id_or_class`, `strip_image_src`,
`author`, `date` and `next_page_link`. The others control how another program fetches and rewrites pages; they are
ignored.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r"\s*([a-z_]{2,40})(?:\([^)]{0,200}\))?\s*:\s*(.*?)\s*")
_MAX_LINE_CHARS = 2000
_FIELDS = {"body": "content", "strip": "strip", "author": "author", "date": "date", "next_page_link": "next_page"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """The rules of one site-config file; all selectors are XPath. The fields are those of `PageRules`."""

    content: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    date: tuple[str, ...] = ()
    next_page: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfigs:
    """The rules in a directory of site-config files, by file name without ".txt" ("example.org", ".example.org")."""

    by_host: Mapping[str, SiteConfig] = field(default_factory=dict)

    def of(self, host: str) -> SiteConfig | None:
        """Return the rules for a host: those of its own file, else those of the file for all hosts of a domain.

        The nearest domain is used. For www.a.example.org, the keys are looked up in this order: "a.example.org",
        ".a.example.org", ".example.org".
        """
        host = host.lower().removeprefix("www.")
        if own := self.by_host.get(host):
            return own
        labels = host.split(".")
        around = ("." + ".".join(labels[start:]) for start in range(len(labels) - 1))
        return next((config for name in around if (config := self.by_host.get(name))), None)


def read_site_config(text: str) -> SiteConfig:
    """Read one file. Comments, unknown directives and other lines are ignored.

    >>> read_site_config("strip_id_or_class: promo").strip
    ("//*[contains(@class, 'promo') or contains(@id, 'promo')]",)
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        parts = _LINE.fullmatch(line[:_MAX_LINE_CHARS])
        if parts is None or not parts.group(2):
            continue
        directive, value = parts.groups()
        if directive in _FIELDS:
            found[_FIELDS[directive]].append(_as_xpath(value))
        elif directive == "strip_id_or_class" and (name := _literal(value)):
            found["strip"].append(f"//*[contains(@class, {name}) or contains(@id, {name})]")
        elif directive == "strip_image_src" and (name := _literal(value)):
            found["strip"].append(f"//img[contains(@src, {name})]")
    return SiteConfig(**{name: tuple(selectors) for name, selectors in found.items()})


def load_site_configs(directory: Path) -> SiteConfigs:
    """Read the `*.txt` files of a directory. Other bytes than UTF-8 are replaced. A file without rules is left out."""
    configs = {}
    for path in sorted(directory.glob("*.txt")):
        config = read_site_config(path.read_text(encoding="utf-8", errors="replace"))
        if config != SiteConfig():
            configs[path.name.removesuffix(".txt").lower()] = config
    return SiteConfigs(by_host=configs)


def _as_xpath(value: str) -> str:
    """Return an expression in a form that `is_xpath` recognises: `string(...)` becomes `(string(...))`."""
    return value if value.startswith(("/", "./", "(")) else f"({value})"


def _literal(value: str) -> str:
    """Return a value as a string literal of XPath 1.0, in the quotes that the value does not contain.

    `""`: the value is empty, or it contains both kinds of quotes, which XPath 1.0 cannot escape.
    """
    value = value.strip("'\"")
    if "'" not in value:
        return f"'{value}'" if value else ""
    return f'"{value}"' if '"' not in value else ""
