"""Loads the configuration: finds the files, applies overrides from the environment, checks every key, reports errors.

Every error is one line that names file, key, value and remedy. This module writes nothing (`editing` does). The keys
are defined in `settings`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import tomlkit
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aggregator.config.files import FEEDS_FILE, parse_toml, read_text
from aggregator.config.filter_rules import FilterRule
from aggregator.config.request_keys import request_rules
from aggregator.config.secrets import read_secret
from aggregator.config.settings import NAMED_TABLES, SECTIONS, TABLE_LISTS, Config, FeedSettings, same_address
from aggregator.config.sources import SelectSettings
from aggregator.config.values import quote
from aggregator.errors import ConfigError
from aggregator.redaction import mask

_ENVIRONMENT_NAME: Final = re.compile(r"AGGREGATOR_(?P<section>[A-Z]+(?:_[A-Z]+)*?)__(?P<key>\w+)")


_SECRET_KEYS: Final = frozenset({"secret", "password", "bearer", "headers", "cookies"})  # it may contain a secret


# --- loading ----------------------------------------------------------------------------------------------------------


def load_config(path: Path | None, environ: Mapping[str, str], *, with_feeds: bool = True) -> Config:
    """Read and check the configuration file, `feeds.toml` beside it, and the overrides in `environ`.

    `path` None: the file is the one of `find_config`. `with_feeds` False: the feeds are left out and not checked, since
    hundreds of thousands of feeds take seconds.

    Raises:
        ConfigError: no file was found, or a key or value is wrong; one line with file, key, value and remedy.
    """
    found = find_config(environ) if path is None else path
    if found is None:
        looked = ", ".join(str(place) for place in _search_order(environ))
        raise ConfigError(
            f"no configuration found (looked for {looked}); "
            f"write one by `aggregator config init`, or name one with --config FILE"
        )
    settings = _read_toml(found)
    if not with_feeds:
        settings.pop("feeds", None)
    lists_feeds = "feeds" in settings
    listed = {found: _feed_tables(settings, found)}
    beside = found.with_name(FEEDS_FILE)
    if with_feeds and found.name != FEEDS_FILE and beside.exists():
        more = _read_toml(beside)
        for key in more.keys() - {"feeds"}:
            raise ConfigError(f"{beside}: {key}: only [[feeds]] may stand in this file; move it to {found}")
        lists_feeds = lists_feeds or "feeds" in more
        listed[beside] = _feed_tables(more, beside)
    config = _check(settings, listed, found, environ)
    config._lists_feeds = lists_feeds
    return config


def default_config(environ: Mapping[str, str], folder: Path) -> Config:
    """Return the default settings with the overrides in `environ`, for commands that need no configuration file.

    Relative paths start from `folder`.

    Raises:
        ConfigError: an override in `environ` is wrong.
    """
    return _check({}, {}, folder / "aggregator.toml", environ)


def find_config(environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file for a command without `--config`; None: no file was found.

    It is `$AGGREGATOR_CONFIG`, even if that file does not exist, so that a wrong path is reported. If the variable is
    not set, it is the first file that exists of config/, the user's folder and /etc/aggregator.
    """
    if environ.get("AGGREGATOR_CONFIG"):
        return Path(environ["AGGREGATOR_CONFIG"])
    return next((place for place in _search_order(environ) if place.exists()), None)


def _search_order(environ: Mapping[str, str]) -> tuple[Path, ...]:
    home = (Path(environ["HOME"]) / ".config/aggregator/aggregator.toml",) if environ.get("HOME") else ()
    return (Path("config/aggregator.toml"), *home, Path("/etc/aggregator/aggregator.toml"))


def _read_toml(path: Path) -> dict[str, Any]:  # Any: what TOML holds is checked by the models
    text = read_text(path).removeprefix("\ufeff")
    try:
        return parse_toml(text)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply; write tables and lists as the reference shows them") from None
    except ValueError as error:
        raise ConfigError(_one_line(f"{path}: {_syntax_error(str(error), text)}")) from None


def _syntax_error(message: str, text: str) -> str:
    """Return one line with the number of the faulty line, its text, the parser's `message`, and a remedy."""
    lines = text.removesuffix("\n").split("\n")
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    number = int(place[1]) if place and place[1] else len(lines)
    said = message[: place.start()] if place else message.partition(";")[0]
    shown = _shorten(mask(lines[min(number, len(lines)) - 1].strip()))
    return f"line {number}: {shown or '(empty)'}: {said}; {_syntax_remedy(said, shown)}"


def _syntax_remedy(said: str, line: str) -> str:
    heading = re.match(r"\[\s*(\w+)\s*\]", line)
    if heading and heading[1] in TABLE_LISTS:
        return f"write [[{heading[1]}]] above each {heading[1].removesuffix('s')}"
    if any(word in said for word in ("twice", "overwrite", "mutate", "immutable")):
        return "keep one, and write the keys of one section below one heading"
    if "\\" in line and '"' in line:
        return "write a text that has a backslash in single quotes: key = 'C:\\folder'"
    if re.search(r"=\s*(?i:true|false)\b", line):
        return "write true or false in small letters"
    return 'write key = value, texts in quotes: key = "text"'


def _feed_tables(settings: dict[str, Any], path: Path) -> list[Any]:
    """Remove `feeds` from `settings` and return it. Raise `ConfigError` if it is no list."""
    feeds = settings.pop("feeds", [])
    if not isinstance(feeds, list):
        raise ConfigError(f"{path}: feeds: {quote(feeds)} is not a list of tables; write [[feeds]] above each feed")
    return feeds


def _places(listed: Mapping[Path, list[Any]]) -> list[str]:
    """Return `FILE: feeds[INDEX]` for each feed of each file, in order."""
    return [f"{path}: feeds[{index}]" for path, feeds in listed.items() for index in range(len(feeds))]


def _check(
    settings: dict[str, Any], listed: Mapping[Path, list[Any]], path: Path, environ: Mapping[str, str]
) -> Config:
    """Return the checked configuration, with the overrides in `environ`. `listed` are the feeds of each file."""
    places: dict[tuple[str | int, ...], str] = {}
    data = {**{section: {} for section in SECTIONS if section not in TABLE_LISTS}, **settings}
    for name, text in sorted(environ.items()):
        override = _ENVIRONMENT_NAME.fullmatch(name)
        if override is None:
            _check_spelling(name)
            continue
        section, key = override["section"].lower(), override["key"].lower()
        _check_override(name, section, key)
        if isinstance(data[section], dict):
            data[section] = {**data[section], key: _read_override(section, key, text)}
            places[section, key] = name
    try:
        folder = path.absolute().parent
        config = Config.model_validate({**data, "feeds": list(chain(*listed.values()))}, context={"folder": folder})
    except ValidationError as error:
        places |= {("feeds", index): place for index, place in enumerate(_places(listed))}
        raise ConfigError(_one_line(_explain(error.errors()[0], path, places))) from None
    config._path = path
    _check_duplicates(config.feeds, listed)
    _check_files(config, path, places)
    _check_outputs(config, path, environ)
    request_rules(config, environ)  # refuses a missing secret
    return config


def _check_override(name: str, section: str, key: str) -> None:
    """Raise `ConfigError` if no environment variable may override this key of this section."""
    names = _overrides()
    if (section, key) not in names.values():
        raise ConfigError(f"{name}: no such setting in the environment; did you mean {_nearest(name, names)}?")


def _check_spelling(name: str) -> None:
    """Raise `ConfigError` if `name` is an override's name with one underscore instead of two before the key."""
    for right in _overrides():
        if name == right.replace("__", "_"):
            raise ConfigError(f"{name}: has one underscore before the key; write {right}")


def _overrides() -> dict[str, tuple[str, str]]:
    """Return each environment variable that overrides a key, with its section and key."""
    return {
        f"AGGREGATOR_{section.upper()}__{key.upper()}": (section, key)
        for section, keys in _keys().items()
        if section not in TABLE_LISTS | NAMED_TABLES
        for key in keys
    }


def _read_override(section: str, key: str, text: str) -> object:
    """Return the value that an override's `text` gives the key.

    It is `text` itself if the key takes a text, or if `text` is no TOML value. A list may also be written as `a,b`.
    """
    default = SECTIONS[section].model_fields[key].default
    if isinstance(default, str):
        return text
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return [part.strip() for part in text.split(",") if part.strip()] if isinstance(default, tuple) else text


def _check_duplicates(feeds: Sequence[FeedSettings], listed: Mapping[Path, list[Any]]) -> None:
    """Raise `ConfigError` if an address is listed twice with different settings. Equal settings are allowed."""
    first: dict[str, int] = {}
    for index, feed in enumerate(feeds):
        before = first.setdefault(same_address(feed.url), index)
        if before != index and feed.model_copy(update={"url": feeds[before].url}) != feeds[before]:
            shown, places = quote(mask(feed.url)), _places(listed)
            raise ConfigError(
                f"{places[index]}.url: {shown} is listed already at {places[before]}, with other settings; remove one"
            )


def _check_files(config: Config, path: Path, places: Mapping[tuple[str | int, ...], str]) -> None:
    """Raise `ConfigError` if the token file is unreadable or empty, or the folder of site-config files is missing."""
    token, site_configs = config.web.token_file, config.extraction.site_config_dir
    if token is not None:
        place = places.get(("web", "token_file"), f"{path}: web.token_file")
        try:
            secret = token.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{place}: {quote(str(token))} cannot be read; write a token into that file") from None
        if not secret:
            raise ConfigError(f"{place}: {quote(str(token))} is empty; write a token into that file")
    if site_configs is not None and not site_configs.is_dir():
        place = places.get(("extraction", "site_config_dir"), f"{path}: extraction.site_config_dir")
        raise ConfigError(f'{place}: {quote(str(site_configs))} is not a folder; make it, or write ""')


def _check_outputs(config: Config, path: Path, environ: Mapping[str, str]) -> None:
    """Raise `ConfigError` if an output's secret is missing, or two outputs have the same name."""
    labels: set[str] = set()
    for index, output in enumerate(config.outputs):
        place = f"{path}: outputs[{index}]"
        read_secret(output.secret, path.absolute().parent, environ, f"{place}.secret")
        if output.label in labels:
            raise ConfigError(f"{place}: {quote(output.label)} is used twice; give each a name of its own")
        labels.add(output.label)


# --- messages ---------------------------------------------------------------------------------------------------------


def _keys() -> dict[str, tuple[str, ...]]:
    return {section: tuple(SECTIONS[section].model_fields) for section in SECTIONS}


def _heading(section: str, name: str = "NAME") -> str:
    """Return the heading of a section as a TOML file writes it: `[http]`, `[[feeds]]`, `[hosts."NAME"]`."""
    if section in TABLE_LISTS:
        return f"[[{section}]]"
    return f"[{section}.{quote(name)}]" if section in NAMED_TABLES else f"[{section}]"


def _nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    return difflib.get_close_matches(name, list(names), n=1, cutoff=0)[0]


def _explain(error: ErrorDetails, path: Path, places: Mapping[tuple[str | int, ...], str]) -> str:
    """Return one line about an error of pydantic: place, value, error, remedy.

    `places` has the name of a place in a file (`FILE: feeds[3]`) by key path.
    """
    loc = error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]  # the name of a table
    depth = next((depth for depth in (len(loc), 2, 1) if loc[:depth] in places), 0)
    place = places[loc[:depth]] if depth else f"{path}:"
    keys = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc[depth:])
    where = place + keys if depth else f"{place} {keys.lstrip('.')}"
    if error["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(loc)}"
    if error["type"] == "missing":
        example = "jsonl" if loc[-1] == "type" else "https://example.com/feed.xml"
        return f'{where}: is missing; write {loc[-1]} = "{example}"'
    shown = "***" if _SECRET_KEYS & set(map(str, loc)) else _shorten(mask(quote(error["input"])))
    if _is_in_rule(loc):
        file, colon, rest = where.rpartition(": ")
        where = f"{file}{colon}{_line_of(error['input'], Path(file))}{rest}"
    return f"{where}: {shown} {_remedy(error, loc)}"


def _is_in_rule(loc: tuple[str | int, ...]) -> bool:
    """Return whether the key path `loc` is inside a rule of `keep` or `skip`."""
    at = {"filter": 1, "feeds": 2}.get(str(loc[0]), len(loc))
    return len(loc) > at + 1 and loc[at] in ("keep", "skip")


def _line_of(value: object, path: Path) -> str:
    """Return `line 12: ` for the first line of the file that contains the text `value` in quotes; "": no line does."""
    if not isinstance(value, str) or not path.is_file():
        return ""
    spelled = (f"'{value}'", quote(value), json.dumps(value))
    lines = enumerate(read_text(path).split("\n"), start=1)
    found = (n for n, line in lines if not line.lstrip().startswith("#") and any(one in line for one in spelled))
    return next((f"line {number}: " for number in found), "")


def _unknown_key(loc: tuple[str | int, ...]) -> str:
    homes = " or ".join(_heading(other) for other, keys in _keys().items() if loc[-1] in keys)
    if len(loc) == 1 and homes:
        return f"no such section; it is a key of {homes}: write it below that heading"
    if len(loc) == 1:
        return f"no such section; did you mean [{_nearest(str(loc[0]), _keys())}]?"
    section, key = str(loc[0]), str(loc[-1])
    if _is_in_rule(loc):
        return f'no such field of a rule; did you mean "{_nearest(key, FilterRule.model_fields)}"?'
    if "select" in loc:
        return f'no such key; did you mean "{_nearest(key, tuple(SelectSettings.model_fields))}"?'
    if homes:
        return f"no such key in this section; it belongs to {homes}"
    return f'no such key; did you mean "{_nearest(key, _keys()[section])}"?'


def _remedy(error: ErrorDetails, loc: tuple[str | int, ...]) -> str:
    """Return what is wrong with the value at the key path `loc`, and the remedy."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "string_type":
            return "is not a text; write it in quotes"
        case "int_type":
            return "is not a whole number; write one without quotes, such as 4"
        case "bool_type":
            return "is neither true nor false; write true or false, without quotes"
        case "tuple_type" if loc[-1] in ("keep", "skip"):
            return 'is not a list of rules; write [{ title = "words" }]'
        case "model_type" if _is_in_rule(loc):
            return 'is not a rule; write { title = "words" }'
        case "tuple_type":
            return 'is not a list; write ["…", "…"]'
        case "model_type" if loc[-1] == "select":
            return 'is not a table; write { entry = "article", link = "h2 a" }'
        case "dict_type":
            return "is not a table; write " + (_table(loc) if len(loc) == 1 else '{ NAME = "env:NAME" }')
        case "literal_error":
            return f"is not known; write {context['expected'].replace(chr(39), chr(34))}"
        case "greater_than_equal":
            return f"is too small; write at least {context['ge']}"
        case "greater_than":
            return f"is too small; write more than {context['gt']}"
        case "less_than_equal":
            return f"is too large; write at most {context['le']}"
        case _:  # model_type: a section or a feed that is no table
            return f"is not a table; write {_table(loc)} on a line of its own and its keys below"


def _table(loc: tuple[str | int, ...]) -> str:
    """Return the heading of the table that contains the key path `loc`."""
    return _heading(*map(str, loc[:2]))


def _one_line(text: str) -> str:
    """Return `text` with line ends and other unprintable characters escaped."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _shorten(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"


# --- printing ---------------------------------------------------------------------------------------------------------


def show(config: Config, *, as_json: bool = False) -> str:
    """Return the configuration with defaults and overrides, as TOML or as one line of JSON.

    Paths are absolute, and secrets are masked.
    """
    settings = config.model_dump(mode="json")
    tables: dict[str, object] = {}
    for name in sorted(NAMED_TABLES):
        tables[name] = {key: _without_nulls(one) for key, one in settings.pop(name).items()}
    for name in sorted(TABLE_LISTS):
        tables[name] = [_without_nulls(one) for one in settings.pop(name)]
    if as_json:
        return mask(json.dumps(settings | tables, ensure_ascii=False)) + "\n"
    return mask(tomlkit.dumps(settings | {name: some for name, some in tables.items() if some}))


def _without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` without the keys whose value is None, since TOML has no null."""
    return {key: value for key, value in settings.items() if value is not None}


def config_schema() -> dict[str, Any]:  # Any: a JSON document
    """Return the JSON Schema of the configuration file, for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "aggregator.toml"}
