"""From the request keys of `[[feeds]]` to what requests carry: references become secrets, which are shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aggregator.config.secrets import read_secret
from aggregator.errors import ConfigError
from aggregator.http.request_keys import RequestKeys, RequestRules, credential_headers, make_rules
from aggregator.redaction import mask

if TYPE_CHECKING:
    from aggregator.config.settings import Config, FeedSettings

_REFERENCE: Final = re.compile(r"(?:env|file):.+")
_SENDABLE: Final = re.compile(r"[\x20-\x7e]{1,8192}")


def request_rules(config: Config, environ: Mapping[str, str]) -> RequestRules:
    """Return the keys of all feeds.

    Raises:
        ConfigError: a secret is not there, or no header can carry it; the message names feed and key.
    """
    return make_rules((feed.url, _keys_of(feed, config, environ)) for feed in config.feeds)


def _keys_of(feed: FeedSettings, config: Config, environ: Mapping[str, str]) -> RequestKeys:
    def value_of(value: str, key: str) -> str:
        place = f"{config.path}: feed {mask(feed.url)}: {key}"
        if not _REFERENCE.fullmatch(value):
            return value
        secret = read_secret(value, config.path.absolute().parent, environ, place)
        if not _SENDABLE.fullmatch(secret):
            raise ConfigError(f"{place}: {value} holds a character that no header may carry; write plain ASCII")
        return secret

    headers = {name: value_of(value, f"headers.{name}") for name, value in feed.headers.items()}
    headers |= credential_headers(
        username=feed.username,
        password=value_of(feed.password, "password"),
        bearer=value_of(feed.bearer, "bearer"),
        cookies={name: value_of(value, f"cookies.{name}") for name, value in feed.cookies.items()},
    )
    return RequestKeys(
        headers=headers,
        user_agent=feed.user_agent,
        timeout=feed.timeout,
        proxy=feed.proxy,
        insecure_tls=feed.insecure_tls,
    )
