"""Tells why a request failed: a `Cause` for the schedule, and one line of text for operators. Sends nothing.

The cause follows from the status of the answer, or from an exception of the HTTP libraries.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

from urllib3 import exceptions as urllib3_errors

from aggregator.errors import AggregatorError
from aggregator.http.endpoint import Endpoint
from aggregator.models.fetching import Cause

FOREIGN = (urllib3_errors.HTTPError, http.client.HTTPException, OSError, ValueError)
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


class NetworkError(AggregatorError):
    """A request gave no usable answer, because of `cause`; `detail` is the line for operators."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


def cause_of(status: int) -> Cause:
    """Return the cause for the status of a failed request. Do not call it for 200, or 304 to a conditional request."""
    if cause := _CAUSES.get(status):
        return cause
    if 400 <= status < 500:
        return Cause.CLIENT_ERROR
    return Cause.SERVER_ERROR if 500 <= status < 600 else Cause.PROTOCOL


def describe_status(status: int) -> str:
    """Return the status and its phrase for operators, such as "404 Not Found"."""
    phrase = http.client.responses.get(status, "")
    if status == 304:
        return "304 Not Modified to a request that was not conditional"
    if status < 300:
        return f"{status} {phrase}: only a 200 is complete"
    return f"{status} {phrase}".strip()


def translate_open(error: Exception, endpoint: Endpoint) -> NetworkError:
    """Translate an error of urllib3, http.client or a socket that occurred before the answer's body was read."""
    chain = tuple(_chain(error))
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return NetworkError(Cause.TLS, f"{endpoint.host}: certificate not accepted: {link.verify_message}")
    if any(isinstance(link, urllib3_errors.ProxyError) for link in chain) or "Tunnel connection failed" in str(error):
        return NetworkError(Cause.PROXY, _reason(chain))
    if any(isinstance(link, TimeoutError | urllib3_errors.TimeoutError) for link in chain):
        return NetworkError(Cause.TIMEOUT, f"{endpoint.authority}: no answer in time")
    if any(isinstance(link, ssl.SSLError | urllib3_errors.SSLError) for link in chain):
        return NetworkError(Cause.TLS, f"{endpoint.host}: {_reason(chain)}")
    if any(isinstance(link, http.client.IncompleteRead) for link in chain):
        return NetworkError(Cause.TRUNCATED, "cut off within the headers")
    if any(isinstance(link, ConnectionError) for link in chain):
        return NetworkError(Cause.CONNECT, f"{endpoint.authority}: closed the connection without an answer")
    return NetworkError(Cause.PROTOCOL, _reason(chain))


def translate_read(error: Exception) -> NetworkError:
    """Translate an error of urllib3, http.client or a socket that occurred while the answer's body was read."""
    chain = tuple(_chain(error))
    if any(isinstance(link, TimeoutError | urllib3_errors.TimeoutError) for link in chain):
        return NetworkError(Cause.TIMEOUT, "the body stopped coming")
    return NetworkError(Cause.TRUNCATED, f"cut off within the body: {_reason(chain)}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and at most 19 errors that it wraps, in its arguments or as causes."""
    waiting, seen = [error], 0
    while waiting and seen < 20:
        link = waiting.pop(0)
        seen += 1
        yield link
        waiting += [argument for argument in link.args if isinstance(argument, BaseException)]
        if link.__cause__ is not None:
            waiting.append(link.__cause__)


def _reason(chain: tuple[BaseException, ...]) -> str:
    """Return the message of the last error in `chain` as one line of at most 200 characters."""
    text = str(chain[-1]) or type(chain[-1]).__name__
    return " ".join(text.split())[:200]
