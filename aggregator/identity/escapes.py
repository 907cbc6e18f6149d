"""Writes each character of an address in one way: percent-encoded only if it must be. Pure.

Escapes are decoded, and the text is composed (NFC). Then the characters that must be encoded are encoded. A reserved
character that was encoded ("%2F") stays so: in the decoded text a lone surrogate (U+DC00 + character) stands for it.
Bytes that are not UTF-8 are read as Latin-1, as old servers write them ("%FC" becomes "%C3%BC").
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SURROGATE = re.compile("[\ud800-\udfff]")
PATH_SAFE = "A-Za-z0-9._~!'()*,:@$&+;=/-"
QUERY_SAFE = "A-Za-z0-9._~!'()*,:@$;=/-"
FRAGMENT_SAFE = "A-Za-z0-9._~!'()*,:@$&+;=/?-"
_DECODED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!'()*,:@")


def fold_escapes(text: str, safe: str) -> str:
    """Percent-encode the characters of `text` that are not in `safe`, and decode the other characters.

    `safe` is written like the inside of a character class of a regular expression. A reserved character that was
    encoded stays encoded: "%2F" never becomes "/".
    """
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    if "%" in text:
        text = _ESCAPES.sub(_decode_run, text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _unsafe(safe).sub(_encode_run, text)


def _decode_run(match: re.Match[str]) -> str:
    raw = bytes.fromhex(match[0].replace("%", ""))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(
        character if character >= "\x80" or ord(character) in _DECODED else chr(0xDC00 + ord(character))
        for character in text
    )


def _encode_run(match: re.Match[str]) -> str:
    run = match[0]
    if _SURROGATE.search(run) is None:
        return "%" + run.encode().hex("%").upper()
    return "".join(
        f"%{ord(character) - 0xDC00:02X}"
        if "\ud800" <= character <= "\udfff"
        else "%" + character.encode().hex("%").upper()
        for character in run
    )


@lru_cache(maxsize=8)
def _unsafe(safe: str) -> re.Pattern[str]:
    return re.compile(f"[^{safe}]+")
