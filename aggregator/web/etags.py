"""ASGI middleware that adds an ETag to answers (RFC 9110, 8.8.3), so that unchanged content is not sent again."""

from __future__ import annotations

import hashlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """Adds an ETag, a hash of the body, to answers with status 200; answers 304 if the client has this ETag already.

    The ETag is weak, since the compressed and the plain body have the same one. Answers that have an ETag, and answers
    that are sent in several parts, are passed on unchanged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request. The answer to a GET request gets an ETag, or becomes 304."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known = dict(scope["headers"]).get(b"if-none-match", b"")
        start: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
                return
            if start is not None:
                head, start = start, None
                if not message.get("more_body") and not any(name.lower() == b"etag" for name, _ in head["headers"]):
                    head, message = _compared(head, message, known)
                await send(head)
            await send(message)

        await self._app(scope, receive, sending)


def _compared(head: Message, message: Message, known: bytes) -> tuple[Message, Message]:
    tag = b'W/"%s"' % hashlib.blake2b(message.get("body", b""), digest_size=12).hexdigest().encode()
    if tag in known:  # a tag is unlike any part of another one
        kept = [(name, value) for name, value in head["headers"] if name.lower() not in _OF_BODY]
        return {**head, "status": 304, "headers": [*kept, (b"etag", tag)]}, {**message, "body": b""}
    return {**head, "headers": [*head["headers"], (b"etag", tag)]}, message


_OF_BODY = (b"content-length", b"content-type")
