"""Checks whether a request is allowed: by the token, the Host header and the site that sent it."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.web.api.problems import MEDIA_TYPE, problem_body

_OPEN_TO_ALL: Final = frozenset({"/healthz", "/readyz"})  # they answer only yes or no
_READING: Final = frozenset({"GET", "HEAD"})
_POLICY: Final = (
    "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """ASGI middleware that checks whether a request is allowed, and adds security headers to its answer.

    With a token, every request must carry it: as `Authorization: Bearer`, or as the password of Basic with any user
    name. Without a token, the Host header must name this machine or the host of `[web] base_url`. This stops a site
    that points its own name to this machine (DNS rebinding). /healthz and /readyz are open to all. A request that
    changes something is refused if a page of another site sent it.
    """

    def __init__(self, app: ASGIApp, token: str | None, public: str = "") -> None:
        self._app = app
        self._public = public.encode("ascii")  # host and port of `[web] base_url`
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it.

        401: the token is missing or wrong. 421: the Host header is wrong. 403: a page of another site sent the request.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if not self._may_ask(scope["path"], headers):
            challenge = (b"www-authenticate", b'Bearer realm="aggregator", Basic realm="aggregator", charset="UTF-8"')
            await _refuse(scope, send, 401, b"A token is needed: [web] token_file of the configuration.\n", challenge)
        elif self._token is None and scope["path"] not in _OPEN_TO_ALL and not self._is_for_us(scope, headers):
            await _refuse(
                scope, send, 421, b"Without [web] token_file this answers to localhost and to addresses only.\n"
            )
        elif scope["method"] not in _READING and _is_foreign(headers, self._public):
            await _refuse(scope, send, 403, b"Another site asked for this.\n")
        else:
            read = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope  # the server drops the body
            await self._app(read, receive, _with_headers(send))

    def _is_for_us(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Return whether the Host header names this machine or the host of `[web] base_url`.

        On a Unix socket every Host header is accepted, since no browser connects to a Unix socket.
        """
        host = headers.get(b"host", b"")
        _, port = scope.get("server") or (None, None)
        return port is None or (bool(self._public) and host == self._public) or _is_ours(host)

    def _may_ask(self, path: str, headers: dict[bytes, bytes]) -> bool:
        if self._token is None or path in _OPEN_TO_ALL:
            return True
        scheme, _, credentials = headers.get(b"authorization", b"").strip().partition(b" ")
        given = credentials.strip()
        if scheme.lower() == b"basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(given, self._token)


def _is_ours(host: bytes) -> bool:
    """Return whether a Host header is `localhost`, an IP address or empty.

    Under DNS rebinding a browser sends the name of the other site, so the result is False.
    """
    try:
        name = urlsplit(f"//{host.decode('latin-1')}").hostname or ""
        return not host or name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_foreign(headers: dict[bytes, bytes], public: bytes) -> bool:
    """Return whether a page of another site made a browser send this request. `public` is the host of `base_url`.

    Sec-Fetch-Site decides, since a page under `Referrer-Policy: no-referrer` sends `Origin: null` even to its own site.
    Browsers send Sec-Fetch-Site only over https and to localhost. Without it, Origin decides (RFC 6454). A request
    without both headers comes from a program; it is not foreign.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"none", b"same-origin")
    origin = headers.get(b"origin")
    return origin is not None and urlsplit(origin).netloc not in {headers.get(b"host", b""), public or None}


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            own = (*_HEADERS, (b"cache-control", b"no-cache"))
            added = [(name, value) for name, value in own if name not in present]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    media_type = "text/plain; charset=utf-8"
    if scope["path"].startswith("/api/"):
        media_type, body = MEDIA_TYPE, problem_body(status, body.decode().strip())
    own = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    sending = _with_headers(send)
    await sending({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await sending({"type": "http.response.body", "body": body})
