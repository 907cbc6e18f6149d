"""Adds an ETag to every answer (RFC 9110, 8.8.3): unchanged content is not sent again. ASGI middleware."""

from __future__ import annotations

import hashlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """Compares the body of a complete answer with the client's copy.

    The tag is weak, since a compressed body has the same. An answer in several parts is passed on unchanged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
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
