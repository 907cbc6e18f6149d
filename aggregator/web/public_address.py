"""The address of the pages behind a proxy: `[web] base_url`. Links begin with its path."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_ROOT: Final[ContextVar[str]] = ContextVar("root", default="")


def root() -> str:
    """Return the prefix of each link's path, for the present request: "/agg" or ""."""
    return _ROOT.get()


class PublicAddress:
    """ASGI middleware: requests look as if sent to the public address, even if the proxy has removed its path."""

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._app = app
        self._scheme, self._netloc, self._root = parts.scheme, parts.netloc, parts.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
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
