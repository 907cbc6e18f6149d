"""The output that posts changes to an address. Knows no HTTP library: `app` passes the port that posts."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from aggregator.ports.protocols import Poster
from aggregator.ports.readings import Change
from aggregator.sinks.outputs.follow import DeliveryError
from aggregator.sinks.records import TextChoice, change_record, json_bytes

SIGNATURE_HEADER: Final = "X-Aggregator-Signature"
_DEADLINE: Final = timedelta(seconds=60)


class WebhookOutput:
    """Posts `{"epoch", "cursor", "changes"}`; any 2xx answer means that the receiver took all changes.

    With a secret, the header `X-Aggregator-Signature` is `sha256=` and the HMAC-SHA256 of the body (RFC 2104), in
    hexadecimal digits.
    """

    folder = ""

    def __init__(
        self, name: str, url: str, secret: bytes, text: TextChoice, poster: Poster, deadline: timedelta = _DEADLINE
    ) -> None:
        self._deadline = deadline
        self.name = name
        self._url = url
        self._secret = secret
        self._text = text
        self._poster = poster

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        """Post the changes as one request.

        Raises:
            DeliveryError: there was no answer, or an answer with another status.
        """
        body = json_bytes(
            {
                "epoch": epoch,
                "cursor": changes[-1].seq,
                "changes": [change_record(change, self._text) for change in changes],
            }
        )
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers[SIGNATURE_HEADER] = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}"
        answer = self._poster.post(self._url, body, headers, self._deadline)
        if answer.problem:
            raise DeliveryError(answer.problem, answer.retry_after or timedelta(0))
