"""What a host's robots.txt allows (RFC 9309). Protego parses the file; this module decides what a missing file means.

Pure functions. The visit fetches robots.txt, and the store keeps it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from urllib.parse import urljoin

from protego import Protego
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from aggregator import urls
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchResult
from aggregator.models.pages import PageFailed

MAX_BYTES = 500 * 1024  # RFC 9309, 2.5
MAX_AGE = timedelta(days=1)  # RFC 9309, 2.4
UNREACHABLE_AGE = timedelta(minutes=30)  # then robots.txt is fetched again from a host that gave no answer
MAX_STOP = timedelta(days=1)  # then a missing answer no longer forbids requests
MAX_CRAWL_DELAY = timedelta(days=1)
_MAX_LINE = 2_048  # characters; no rule needs more
_KEPT = 32  # parsed files
_AGENT_LINE = re.compile(r"\s{0,99}user[- ]?agent\s{0,99}[:\s]\s{0,99}([^#]*)", re.IGNORECASE)
_SITEMAP_LINE = re.compile(r"^[ \t]{0,99}site-?map[ \t]{0,99}:[ \t]{0,99}(\S{1,2000})", re.IGNORECASE | re.MULTILINE)
_SITE_WIDE_LINE = re.compile(r"\s{0,99}(?:$|#|site-?maps?\b|host\b)", re.IGNORECASE)  # no part of a group

# Answers after which a host counts as having no robots.txt (RFC 9309, 2.3.1.2 and 2.3.1.3).
_ABSENT = frozenset(
    {
        Cause.UNAUTHORIZED,
        Cause.FORBIDDEN,
        Cause.NOT_FOUND,
        Cause.GONE,
        Cause.CLIENT_ERROR,
        Cause.EMPTY,
        Cause.TOO_MANY_REDIRECTS,
        Cause.REDIRECT_LOOP,
    }
)


Kind = Literal["rules", "absent", "unreachable"]
_STORED = TypeAdapter(tuple[Kind, str, AwareDatetime | None])


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsRule:
    """The record of a host's robots.txt, as the store keeps it.

    `kind` "rules": `body` is the text of the file. "absent": there is no file, so everything is allowed. "unreachable":
    the file could not be fetched (5xx, no answer), so nothing is allowed. `unanswered_since` is the time of the first
    such failure in a row. After a day of failures the kind becomes "absent".
    """

    kind: Kind
    body: str = ""
    unanswered_since: datetime | None = None

    def to_text(self) -> str:
        """Return the record as one line of text for the store."""
        since = self.unanswered_since
        return json.dumps([self.kind, self.body, since and since.isoformat()], ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> RobotsRule:
        """Return the record of a robots.txt from a text that `to_text` made. Any other text gives "unreachable".

        >>> RobotsRule.from_text(RobotsRule(kind="rules", body="x").to_text()).body
        'x'
        """
        try:
            kind, body, since = _STORED.validate_json(text, strict=True)
        except ValidationError:
            return cls(kind="unreachable")
        return cls(kind=kind, body=body, unanswered_since=since)


def robots_url(url: str) -> str:
    """Return the address of the robots.txt that applies to `url`.

    >>> robots_url("https://a.example:8443/x/y?z")
    'https://a.example:8443/robots.txt'
    """
    return urljoin(url, "/robots.txt")


def robots_of(result: FetchResult, previous: RobotsRule | None = None, now: datetime | None = None) -> RobotsRule:
    """Return the record for the result of a request for robots.txt.

    204, most 4xx and too many redirects mean that there is no robots.txt: everything is allowed. After any other
    failure (429, 5xx, no answer) nothing is allowed (RFC 9309, 2.3.1.4), until a day after the first failure in a row.
    `previous`, the record before this request, has the time of that failure.
    """
    match result:
        case Fetched():
            return parse_robots(result.body)
        case FetchFailed(cause=cause) if cause in _ABSENT:
            return RobotsRule(kind="absent")
        case _:
            since = (previous.unanswered_since if previous is not None else None) or now
            is_over = now is not None and since is not None and now - since >= MAX_STOP
            return RobotsRule(kind="absent" if is_over else "unreachable", unanswered_since=since)


def max_age(rule: RobotsRule) -> timedelta:
    """Return after what time robots.txt is fetched again: a day, or half an hour if it could not be fetched."""
    is_unanswered = rule.kind == "unreachable" or rule.unanswered_since is not None
    return UNREACHABLE_AGE if is_unanswered else MAX_AGE


def refusal(rule: RobotsRule, url: str, user_agent: str) -> PageFailed | None:
    """Return the failure of a page that robots.txt forbids to `user_agent`; None: `url` may be fetched."""
    if rule.kind == "unreachable":
        return PageFailed(cause=Cause.ROBOTS_UNREACHABLE, detail="robots.txt gives no answer, so nothing is asked for")
    token, cleaned = _token(user_agent), urls.clean(url)
    if rule.kind == "rules" and cleaned is not None and not _parse(rule.body, token).can_fetch(cleaned, token):
        return PageFailed(cause=Cause.ROBOTS, detail=f"{robots_url(cleaned)} forbids it")
    return None


def crawl_delay(rule: RobotsRule, user_agent: str) -> timedelta | None:
    """Return the Crawl-delay of robots.txt for `user_agent`, at most a day; None: robots.txt has none."""
    if rule.kind != "rules":
        return None
    token = _token(user_agent)
    seconds = _parse(rule.body, token).crawl_delay(token)
    return None if seconds is None else min(timedelta(seconds=min(seconds, 1e6)), MAX_CRAWL_DELAY)


def sitemaps(rule: RobotsRule, url: str) -> tuple[str, ...]:
    """Return the addresses of the sitemaps that robots.txt names (sitemaps.org), in its order, each once.

    `url` is any address of the host. The relative address of a sitemap is resolved against that of robots.txt.
    """
    named = (urls.absolute(robots_url(url), match[1]) for match in _SITEMAP_LINE.finditer(rule.body))
    return tuple(dict.fromkeys(address for address in named if address))


def parse_robots(body: bytes) -> RobotsRule:
    """Return the record for a robots.txt with the content `body`.

    Only the first 500 KiB are kept. Lines of more than 2,048 characters are left out.
    """
    text = body[:MAX_BYTES].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return RobotsRule(kind="rules", body="\n".join(line for line in text.splitlines() if len(line) <= _MAX_LINE))


@lru_cache(maxsize=_KEPT)
def _parse(body: str, token: str) -> Protego:
    return Protego.parse("\n".join(_relevant(body, token)))


def _relevant(body: str, token: str) -> Iterator[str]:
    """Yield the lines of the groups of rules that apply to a User-Agent with the product token `token`.

    Some files have groups for thousands of other agents. Protego would take too long to parse all of them.
    """
    concerns, names_agents = False, False
    for line in body.splitlines():
        match = _AGENT_LINE.match(line)
        if match is not None:
            agent = match[1].strip().lower()
            if not names_agents:
                concerns, names_agents = False, True
            if agent == "*" or agent.replace("*", "") in token.lower():
                concerns = True
                yield line
        elif not _SITE_WIDE_LINE.match(line):
            names_agents = False
            if concerns:
                yield line


def _token(user_agent: str) -> str:
    """Return the product token of a User-Agent: the name by which robots.txt addresses it (RFC 9309, 2.2.1).

    >>> _token("aggregator/0.1 (+https://a.example)")
    'aggregator'
    """
    return user_agent.split("/", 1)[0].strip() or "*"
