"""The output that posts changes to an HTTP address. Knows no HTTP library: it gets a `Poster`."""

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
    """Posts a batch of changes as JSON: `{"epoch", "cursor", "changes"}`. A 2xx answer means that all were taken.

    With a secret, the request has the header `X-Aggregator-Signature`: `sha256=` and the HMAC-SHA256 of the body (RFC
    2104) in hexadecimal digits.
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
        """Post the changes in one request.

        Raises:
            DeliveryError: no answer came, or its status is not 2xx.
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
