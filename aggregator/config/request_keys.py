"""Turns the request keys of `[[feeds]]` and `[hosts]` into headers and credentials. Never shows a secret."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aggregator.config.request_settings import REFERENCE
from aggregator.config.secrets import file_of, read_secret
from aggregator.errors import ConfigError
from aggregator.http.request_keys import RequestKeys, RequestRules, make_rules
from aggregator.redaction import mask
from aggregator.urls import host_of

if TYPE_CHECKING:
    from aggregator.config.request_settings import RequestSettings
    from aggregator.config.settings import Config

_SENDABLE: Final = re.compile(r"[\x20-\x7e]{1,8192}")
_CREDENTIAL: Final = ("username", "password", "bearer")
_PLAIN: Final = ("user_agent", "timeout", "proxy", "insecure_tls", "respect_robots")


def request_rules(config: Config, environ: Mapping[str, str]) -> RequestRules:
    """Return the request keys of each feed and host, and the pace and robots.txt settings of hosts.

    Raises:
        ConfigError: a secret is missing, or cannot be sent in a header; the message names feed or host, and key.
    """
    if not config.hosts and not any(feed.has_request_keys for feed in config.feeds):
        return make_rules([])
    folder = config.path.absolute().parent
    of_hosts = {
        name: _read(keys, f'{config.path}: hosts."{name}"', folder, environ) for name, keys in config.hosts.items()
    }

    def around(host: str) -> list[_Written]:
        return [of_hosts[name] for name in dict.fromkeys((host.rpartition(":")[0], host)) if name in of_hosts]

    listed = []
    for feed in config.feeds:
        own = _read(feed, f"{config.path}: feed {mask(feed.url)}", folder, environ)
        listed.append((feed.url, _merged([*around(host_of(feed.url)), own])))
    intervals = [(host_of(feed.url), feed.per_host_interval) for feed in config.feeds]
    intervals += [(name, keys.per_host_interval) for name, keys in config.hosts.items()]
    robots = ((name, keys.respect_robots) for name, keys in config.hosts.items())
    return make_rules(
        listed,
        of_host={name: _merged(around(name)) for name in of_hosts},
        intervals=_longest(intervals),
        robots={name: respects for name, respects in robots if respects is not None},
    )


def secret_files(config: Config) -> Iterator[Path]:
    """Yield the files (`file:path`) from which the secrets of feeds, hosts and outputs are read."""
    folder = config.path.absolute().parent
    references = [output.secret for output in config.outputs]
    for keys in (*config.hosts.values(), *config.feeds):
        references += keys.references()
    for reference in dict.fromkeys(references):
        if (path := file_of(reference, folder)) is not None:
            yield path


def _longest(intervals: list[tuple[str, timedelta | None]]) -> dict[str, timedelta]:
    longest: dict[str, timedelta] = {}
    for host, interval in intervals:
        if interval is not None:
            longest[host] = max(interval, longest.get(host, interval))
    return longest


# --- the keys of one place, and all keys joined -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """The request keys of one feed or one host, with secrets read.

    `credential` None: this feed or host has none of its own. A feed then uses the one of its `[hosts]` section.
    """

    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    credential: Mapping[str, str] | None
    plain: Mapping[str, Any]  # Any: by the name of the field of `RequestKeys`


def _read(settings: RequestSettings, place: str, folder: Path, environ: Mapping[str, str]) -> _Written:
    def value_of(value: str, key: str) -> str:
        if not REFERENCE.fullmatch(value):
            return value
        secret = read_secret(value, folder, environ, f"{place}: {key}")
        if not _SENDABLE.fullmatch(secret):
            raise ConfigError(f"{place}: {key}: {value} holds a character that no header may carry; write plain ASCII")
        return secret

    written = settings.model_fields_set
    credential = {key: value_of(getattr(settings, key), key) for key in _CREDENTIAL}
    return _Written(
        headers={name: value_of(value, f"headers.{name}") for name, value in settings.headers.items()},
        cookies={name: value_of(value, f"cookies.{name}") for name, value in settings.cookies.items()},
        credential=credential if written.intersection(_CREDENTIAL) else None,
        plain={key: getattr(settings, key) for key in _PLAIN if key in written},
    )


def _merged(layers: list[_Written]) -> RequestKeys:
    """Return the request keys that result from several places. A later place overrides the earlier ones."""
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    plain: dict[str, Any] = {}  # Any: as above
    credential: Mapping[str, str] = dict.fromkeys(_CREDENTIAL, "")
    for layer in layers:
        new = {name.lower() for name in layer.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in new} | dict(layer.headers)
        cookies |= layer.cookies
        plain |= layer.plain
        credential = credential if layer.credential is None else layer.credential
    if credential["username"] or credential["password"]:
        pair = f"{credential['username']}:{credential['password']}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    if credential["bearer"]:
        headers["Authorization"] = f"Bearer {credential['bearer']}"
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return RequestKeys(headers=headers, **plain)
