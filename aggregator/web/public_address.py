"""Makes requests and links fit `[web] base_url`, the public address of the pages behind a proxy."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_ROOT: Final[ContextVar[str]] = ContextVar("root", default="")


def root() -> str:
    """Return the text with which each path in a link must begin: the path of `[web] base_url` ("/agg"), or ""."""
    return _ROOT.get()


class PublicAddress:
    """ASGI middleware that changes a request as if it was sent to `[web] base_url`: scheme, host and path.

    It adds the path of `base_url` if the proxy has removed it.
    """

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._app = app
        self._scheme, self._netloc, self._root = parts.scheme, parts.netloc, parts.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request with the public scheme, host and path."""
        if not self._netloc or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if not f"{path}/".startswith(f"{self._root}/"):
            path = self._root + path
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
        headers.append((b"host", self._netloc.encode("ascii")))
        made = {"scheme": self._scheme, "path": path, "root_path": self._root, "headers": headers}
        token = _ROOT.set(self._root)
        try:
            await self._app({**scope, **made}, receive, send)
        finally:
            _ROOT.reset(token)
