"""The meaning of a status without a usable body: a cause for the schedule, a line for operators."""

from __future__ import annotations

import http.client

from aggregator.models.fetching import Cause

_CAUSES = {
    204: Cause.EMPTY,
    205: Cause.EMPTY,
    401: Cause.UNAUTHORIZED,
    402: Cause.UNAUTHORIZED,  # the page needs a subscription
    403: Cause.FORBIDDEN,
    404: Cause.NOT_FOUND,
    407: Cause.PROXY,
    410: Cause.GONE,
    429: Cause.RATE_LIMITED,
    451: Cause.FORBIDDEN,
    503: Cause.UNAVAILABLE,
}


def cause_of(status: int) -> Cause:
    """Return the cause of a failure with this status: any status but 200 and the followed redirects."""
    if cause := _CAUSES.get(status):
        return cause
    if 400 <= status < 500:
        return Cause.CLIENT_ERROR
    return Cause.SERVER_ERROR if 500 <= status < 600 else Cause.PROTOCOL


def describe_status(status: int) -> str:
    """Return the status and its phrase, for operators."""
    phrase = http.client.responses.get(status, "")
    if status == 304:
        return "304 Not Modified to a request that was not conditional"
    if status < 300:
        return f"{status} {phrase}: only a 200 is complete"
    return f"{status} {phrase}".strip()
