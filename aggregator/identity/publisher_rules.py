"""Reads and checks publisher rules, and finds the rule for a host. Rules are data, one TOML file per publisher.

The shipped files are in `aggregator/publishers/`. An operator's file replaces the shipped file of the same name. A rule
is refused if one of its own examples fails, or if a pattern is not anchored or not one that RE2 can run. An unproven
rule is used only on request. The format is described in docs/how-to/write-a-publisher-rule.md.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from aggregator.errors import RuleError
from aggregator.identity.keys import Decoding, IdPattern, KeyRules, SiteRule, Tables, fold_host, make_key, site_of
from aggregator.identity.patterns import Pattern, compile_pattern
from aggregator.identity.redirectors import Redirector
from aggregator.urls import ascii_host, split

MIN_PROOF = 3  # real pairs of addresses; a rule with fewer is provisional
_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")
_FORBIDDEN_NAMES = frozenset({"http", "https", "generic"})  # beginnings of generic keys, and the name of their rule
_DECODINGS: tuple[Decoding, ...] = ("none", "base62_upper", "base62_lower", "hex")

Document = Mapping[str, Any]  # parsed TOML: any value may stand there until it is checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """The rule for one publisher: how its keys are made (`site`), and how its pages are extracted.

    The selectors for the extraction are CSS, or XPath if they begin with "/", "./" or "(". `retry_after` tells whether
    a Retry-After of this publisher applies to the whole host or to the feed alone.
    """

    name: str
    site: SiteRule
    provisional: bool = False
    retry_after: Literal["host", "feed"] = "host"
    content: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    date: tuple[str, ...] = ()
    next_page: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Publishers:
    """The active rules. `withheld` names the unproven rules that were left out."""

    key_rules: KeyRules = field(default_factory=KeyRules)
    withheld: tuple[str, ...] = ()
    by_name: Mapping[str, Publisher] = field(default_factory=dict)


def publisher_of(publishers: Publishers, host: str) -> Publisher | None:
    """Return the rule for a host ("www.dw.com", with or without a port); None: there is no rule."""
    name = host.rpartition(":")[0] or host if not host.endswith("]") else host
    rule = site_of(name.lower(), publishers.key_rules).rule
    return None if rule is None else publishers.by_name[rule.name]


@lru_cache(maxsize=4)
def shipped_publishers(provisional: bool = False) -> Publishers:
    """Return the rules of the package, read once per process. `provisional` True: the unproven rules are included."""
    return load_publishers(SHIPPED, None, provisional)


SHIPPED: Traversable = files("aggregator") / "publishers"


def _refuse(fault: RuleError) -> None:
    raise fault


def load_publishers(
    shipped: Traversable | Path | None,
    operator_dir: Path | None,
    provisional: bool = False,
    *,
    on_fault: Callable[[RuleError], None] = _refuse,
) -> Publishers:
    """Read and check the rules of both directories. `provisional` True: the unproven rules are included.

    A file of the operator replaces the shipped file of the same name; `enabled = false` in it removes the rule. If
    `shipped` is None, only the operator's rules and the shipped tables for all sites are used. `on_fault` is called for
    each file that cannot be read or whose rule is refused. If it does not raise, that file is left out.

    Raises:
        RuleError: a table cannot be read; or, by the default `on_fault`, a file cannot be read or its rule is refused.
            The message names file, key and remedy.
    """
    tables = load_tables((SHIPPED if shipped is None else shipped) / "tables")
    documents: dict[str, tuple[str, Document]] = {}
    for directory in (shipped, operator_dir):
        documents |= {} if directory is None else _read_directory(directory, on_fault)
    active: list[Publisher] = []
    withheld: list[str] = []
    for name, (where, document) in sorted(documents.items()):
        try:
            if not _boolean(document, "enabled", where, default=True):
                continue
            publisher = _publisher(name, document, where, tables)
            _check_hosts(publisher, where, active)
            if publisher.provisional and not provisional:
                withheld.append(name)
                continue
            _prove(publisher, document, where, tables)
        except RuleError as fault:
            on_fault(fault)
        else:
            active.append(publisher)
    sites = {host: publisher.site for publisher in active for host in publisher.site.hosts}
    return Publishers(
        key_rules=KeyRules(tables=tables, sites=sites, digest=_digest(tables, [p.site for p in active])),
        withheld=tuple(withheld),
        by_name={publisher.name: publisher for publisher in active},
    )


def load_tables(directory: Traversable | Path) -> Tables:
    """Read the tables that hold at all sites from a directory.

    Raises:
        RuleError: a table cannot be read, or is no TOML.
    """
    hosts, tracking, redirectors = (_read(directory / f"{n}.toml") for n in ("hosts", "tracking", "redirectors"))
    words = tracking["feed_words"]
    feed_values = f"(?:{'|'.join(map(re.escape, words['values']))})(?:[^a-z0-9].*)?"
    values = {name: "|".join(map(re.escape, allowed)) for name, allowed in tracking["views"].items()}
    for name in words["names"]:
        values[name] = f"{values[name]}|{feed_values}" if name in values else feed_values
    by_host: dict[str, tuple[Redirector, ...]] = {}
    for entry in redirectors["redirector"]:
        lists = {key: tuple(entry[key]) for key in ("hosts", "paths", "params") if key in entry}
        redirector = Redirector(name=entry["name"], form=entry["form"], **lists)
        for host in redirector.hosts:
            by_host[host] = (*by_host.get(host, ()), redirector)
    return Tables(
        host_prefixes=frozenset(hosts["prefixes"]),
        host_aliases=hosts["aliases"],
        host_suffixes=hosts["suffixes"],
        drop_params=frozenset(tracking["names"]),
        drop_prefixes=tuple(tracking["prefixes"]),
        drop_values={name: re.compile(pattern, re.DOTALL) for name, pattern in values.items()},
        redirectors=by_host,
    )


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_directory(
    directory: Traversable | Path, on_fault: Callable[[RuleError], None]
) -> dict[str, tuple[str, Document]]:
    if not directory.is_dir():
        return {}
    found = {}
    for path in directory.iterdir():
        name, dot, ending = path.name.rpartition(".")
        if dot and ending == "toml" and path.is_file():
            try:
                found[name] = (str(path), _read(path))
            except RuleError as fault:
                on_fault(fault)
    return found


def _read(path: Traversable | Path) -> Document:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: this is no TOML in UTF-8: {error}") from error
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_hosts(publisher: Publisher, where: str, others: Sequence[Publisher]) -> None:
    """Raise `RuleError` if another rule has one of the publisher's hosts."""
    for other in others:
        for host in publisher.site.hosts:
            if host in other.site.hosts:
                raise RuleError(f'{where}: hosts: "{host}" is in {other.name}.toml, too; leave it out of one')


def _digest(tables: Tables, sites: Iterable[SiteRule]) -> str:
    """Return a hash of all rules that decide keys: those for all sites (`tables`), and those of publishers."""

    def plain(value: object) -> object:
        match value:
            case re.Pattern():
                return str(value.pattern)
            case Pattern():
                return value.text
            case frozenset():
                return sorted(value)
            case _:
                return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]  # records

    text = json.dumps([tables, *sites], default=plain, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# --- reading one rule -------------------------------------------------------------------------------------------------

_KEYS = ("hosts", "enabled", "provisional", "proven_by", "drop_params", "keep_params", "per_host", "id", "same",
         "different", "retry_after", "extract")  # fmt: skip
_ID_KEYS = ("path", "params", "hosts", "decode")
_EXTRACT_KEYS = ("content", "strip", "author", "date", "next_page")


def _publisher(name: str, document: Document, where: str, tables: Tables) -> Publisher:
    if not _NAME.fullmatch(name) or name in _FORBIDDEN_NAMES:
        raise RuleError(f'{where}: a rule cannot be called "{name}"; use 2 to 32 of a-z, 0-9 and "-"')
    _known(document, _KEYS, where, "")
    hosts = tuple(_host(host, where, tables) for host in _strings(document, "hosts", where))
    if not hosts:
        raise RuleError(f"{where}: hosts: is missing; name the publisher's hosts")
    site = SiteRule(
        name=name,
        hosts=hosts,
        drop_params=frozenset(p.lower() for p in _strings(document, "drop_params", where)),
        keep_params=frozenset(p.lower() for p in _strings(document, "keep_params", where)),
        ids=tuple(_id_pattern(entry, f"id[{i}]", where, tables) for i, entry in enumerate(_tables(document, where))),
        per_host=_boolean(document, "per_host", where, default=False),
    )
    retry_after = document.get("retry_after", "host")
    if retry_after not in ("host", "feed"):
        raise RuleError(f'{where}: retry_after: {retry_after!r} is neither "host" nor "feed"')
    extract = document.get("extract", {})
    if not isinstance(extract, dict):
        raise RuleError(f"{where}: extract: must be a table; write [extract]")
    _known(extract, _EXTRACT_KEYS, where, "extract.")
    return Publisher(
        name=name,
        site=site,
        provisional=_is_provisional(document, site, where),
        retry_after=retry_after,
        **{key: _strings(extract, key, where, "extract.") for key in _EXTRACT_KEYS},
    )


def _is_provisional(document: Document, site: SiteRule, where: str) -> bool:
    """Return whether a rule is unproven: as its key `provisional` says, or by the number of its proofs.

    Without that key, a rule that changes keys is unproven if fewer than `MIN_PROOF` real pairs of addresses prove it.
    The key `proven_by` gives their number; without it, the examples in `same` are counted.
    """
    same = document.get("same", [])
    proof = document.get("proven_by", len(same) if isinstance(same, list) else 0)
    if not isinstance(proof, int) or isinstance(proof, bool) or proof < 0:
        raise RuleError(f"{where}: proven_by: {proof!r} is no number; write how many real pairs prove the rule")
    decides = bool(site.ids or site.drop_params or site.keep_params or len(site.hosts) > 1)
    return _boolean(document, "provisional", where, default=decides and proof < MIN_PROOF)


def _id_pattern(entry: object, key: str, where: str, tables: Tables) -> IdPattern:
    if not isinstance(entry, dict):
        raise RuleError(f"{where}: {key}: must be a table; write [[id]]")
    _known(entry, _ID_KEYS, where, f"{key}.")
    path = _pattern(entry.get("path"), f"{key}.path", where)
    params = entry.get("params", {})
    if not isinstance(params, dict):
        raise RuleError(f'{where}: {key}.params: must be a table; write params = {{ name = "^pattern$" }}')
    patterns = tuple((n, _pattern(value, f"{key}.params.{n}", where)) for n, value in sorted(params.items()))
    groups = [name for p in (path, *(pattern for _, pattern in patterns)) for name in p.names]
    if groups != ["id"]:
        raise RuleError(f'{where}: {key}: needs exactly one named group, (?P<id>…), in "path" or in one of "params"')
    decode = entry.get("decode", "none")
    if decode not in _DECODINGS:
        raise RuleError(f"{where}: {key}.decode: {decode!r} is unknown; use one of {', '.join(_DECODINGS)}")
    hosts = frozenset(_host(host, where, tables) for host in _strings(entry, "hosts", where, f"{key}."))
    return IdPattern(path=path, params=patterns, hosts=hosts, decode=decode)


def _pattern(value: object, key: str, where: str) -> Pattern:
    if not isinstance(value, str):
        raise RuleError(f"{where}: {key}: is missing; write a pattern like '^/story/(?P<id>[0-9]+)$'")
    try:
        return compile_pattern(value)
    except ValueError as error:
        raise RuleError(f"{where}{_line_of(value, where)}: {key}: the pattern {value!r} {error}") from error


def _line_of(value: str, where: str) -> str:
    """Return the first line of the file `where` that contains `value`, as ":17" for line 17.

    "" is returned if no line contains it (it may be written with escapes) or the file cannot be read.
    """
    with suppress(OSError, UnicodeDecodeError):
        for number, line in enumerate(Path(where).read_text(encoding="utf-8").splitlines(), 1):
            if value in line or json.dumps(value) in line:
                return f":{number}"
    return ""


def _host(value: str, where: str, tables: Tables) -> str:
    star = "*." if value.startswith("*.") else ""
    host = ascii_host(value.removeprefix("*."))
    if host is None or split(f"https://{host}/") is None:
        raise RuleError(f'{where}: hosts: "{value}" is no host name; write it like "example.org" or "*.example.org"')
    folded = host if star else fold_host(host, tables)
    return star + folded


# --- examples ---------------------------------------------------------------------------------------------------------


def _prove(publisher: Publisher, document: Document, where: str, tables: Tables) -> None:
    """Check a rule against its own examples: the addresses of a pair in `same` get one key, those in `different` two.

    Raises:
        RuleError: an example fails, or a rule with `[[id]]` tables lacks `same` or `different`.
    """
    rules = KeyRules(tables=tables, sites=dict.fromkeys(publisher.site.hosts, publisher.site))
    for kind in ("same", "different"):
        pairs = document.get(kind, [])
        if not isinstance(pairs, list):
            raise RuleError(f'{where}: {kind}: must be a list of pairs, like [["https://…", "https://…"]]')
        for index, pair in enumerate(pairs):
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(url, str) for url in pair)):
                raise RuleError(f"{where}: {kind}[{index}]: must be a pair of addresses")
            (first, _), (second, _) = (make_key(url, rules) for url in pair)
            if first is None or second is None:
                raise RuleError(f"{where}: {kind}[{index}]: {pair[first is not None]!r} is no http(s) address")
            if (first == second) != (kind == "same"):
                raise RuleError(
                    f"{where}: {kind}[{index}]: the example fails: {pair[0]} is {first}, {pair[1]} is {second}; "
                    f"correct the pattern or the example"
                )
    if publisher.site.ids and not (document.get("same") and document.get("different")):
        raise RuleError(
            f'{where}: same, different: a rule with [[id]] needs examples of both, like same = [["…", "…"]]'
        )


# --- values -----------------------------------------------------------------------------------------------------------


def _known(document: Document, known: Sequence[str], where: str, prefix: str) -> None:
    for key in document:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
            raise RuleError(f"{where}: {prefix}{key}: unknown key; {hint}")


def _strings(document: Document, key: str, where: str, prefix: str = "") -> tuple[str, ...]:
    value = document.get(key, [])
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise RuleError(f'{where}: {prefix}{key}: must be a list of texts, like ["a", "b"]')
    return tuple(value)


def _tables(document: Document, where: str) -> list[Any]:
    value = document.get("id", [])
    if not isinstance(value, list):
        raise RuleError(f"{where}: id: must be a list of tables; write [[id]]")
    return value


def _boolean(document: Document, key: str, where: str, *, default: bool) -> bool:
    value = document.get(key, default)
    if not isinstance(value, bool):
        raise RuleError(f"{where}: {key}: {value!r} is neither true nor false")
    return value
