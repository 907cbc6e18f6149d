"""The request keys in `[[feeds]]` and `[hosts."NAME"]`. Reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Self

from pydantic import StrictBool, model_validator

from aggregator.config.values import (
    NO_ENTRIES,
    Cookies,
    Header,
    Headers,
    Name,
    Pause,
    Proxy,
    Reference,
    Section,
    Timeout,
)

REFERENCE: Final = re.compile(r"(?:env|file):.+")  # of a secret, in a header that may also hold plain text


class RequestSettings(Section):
    """How the requests for a feed or a host are made. The keys of a feed override the keys of its host."""

    headers: Headers = NO_ENTRIES
    """Headers of the requests. A secret value is written as "env:NAME" or "file:path"."""
    user_agent: Header = ""
    """The User-Agent header of the requests; "": as in [http]."""
    username: Name = ""
    """Name for HTTP Basic authentication."""
    password: Reference = ""
    """Password for HTTP Basic authentication, as "env:NAME" or "file:path"."""
    bearer: Reference = ""
    """Bearer token, as "env:NAME" or "file:path"."""
    cookies: Cookies = NO_ENTRIES
    """Cookies of the requests, each as "env:NAME" or "file:path"."""
    timeout: Timeout | None = None
    """The longest wait for a connection, and between two bytes; absent: as in [http]."""
    proxy: Proxy | None = None
    """The HTTP proxy of the requests; "": no proxy; absent: as in [http]."""
    per_host_interval: Pause | None = None
    """The pause between two requests to the host. If feeds give several, the longest is used; absent: as in [http]."""
    respect_robots: StrictBool | None = None
    """Obey robots.txt for pages; absent: as in [http]."""
    insecure_tls: StrictBool = False
    """true accepts any certificate of the feed's own server."""

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if self.bearer and (self.username or self.password):
            raise ValueError("has a bearer token and a password; a request carries one of them: remove the other")
        return self

    @property
    def has_request_keys(self) -> bool:
        """Whether this section has one of the request keys."""
        return not self.model_fields_set.isdisjoint(_REQUEST_KEYS)

    def references(self) -> Iterator[str]:
        """Yield the references to secrets (`env:NAME`, `file:path`) in this section's request keys."""
        yield from (value for value in self.headers.values() if REFERENCE.fullmatch(value))
        yield from (value for value in (self.password, self.bearer, *self.cookies.values()) if value)


_REQUEST_KEYS: Final = frozenset(RequestSettings.model_fields)


class HostSettings(RequestSettings):
    """`[hosts."NAME"]`: request keys for all feeds of a host; NAME is host or host:port."""
