"""Masks secrets in messages, logs and listings."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?<=://)([^/@:\s\"?#]*):[^/@\s\"]*@")
_PARAMETER = re.compile(r"(?i)([?&](?:ssl)?(?:password|passwd|token|access_token|api_?key|key|secret|auth)=)[^&#\s\"]*")


def mask(text: str) -> str:
    """Return `text` with passwords in addresses and secret query parameters replaced by `***`.

    >>> mask("postgresql://me:pw@db/x?sslpassword=s")
    'postgresql://me:***@db/x?sslpassword=***'
    """
    return _PARAMETER.sub(r"\1***", mask_password(text))


def mask_password(text: str) -> str:
    """Return `text` with passwords in addresses replaced by `***`. Query parameters stay, since they identify a feed.

    >>> mask_password("https://me:pw@example.org/feed?key=7")
    'https://me:***@example.org/feed?key=7'
    """
    return _PASSWORD.sub(r"\1:***@", text) if "@" in text else text
