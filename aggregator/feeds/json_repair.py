"""Reads JSON, even if it is broken: by output of a server before it, comments, surplus commas, a missing end.

It knows no feed format. Valid JSON is read by the standard library alone.
"""

from __future__ import annotations

import json
import re

_COMMENT = r"/\*(?:[^*]|\*(?!/)){0,1000}\*/|//[^\n]{0,1000}\n"
_OBJECT = re.compile(rf"\{{(?:\s++|{_COMMENT}){{0,20}}+(?:\}}|\"[^\"\\\n]{{1,100}}\"\s{{0,100}}:)")
_EMPTY_FIRST = re.compile(r"\s{0,100}\{\s{0,10}\}\s{0,10}&&\s{0,100}")  # against inclusion as a script
_MAX_JUNK_CHARS = 100_000  # before the document
# A string that ends, a comment, a sign of structure, or anything else; each character is read once.
_TOKEN = re.compile(
    r"\"(?:[^\"\\]++|\\.)*+\"|/\*.*?\*/|//[^\n]*|<!--.*?-->|[{}\[\],:]|[^\s\0{}\[\],:\"/<]++|\s++|.", re.DOTALL
)
_BROKEN = frozenset('"/<')  # a string or comment that never ends
_IGNORED = frozenset("\0/<")  # NUL, and the start of comments
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(.))', re.DOTALL)
_NAMES = {"undefined": "null", "None": "null", "True": "true", "False": "false"}  # of other languages
_CLOSING = {"{": "}", "[": "]"}
_COMPLETE_DEPTH = 2  # members of the document, and items of its lists


def find_json(text: str, *, end: int | None = None) -> int | None:
    r"""Return the position in `text` at which a JSON document starts; None: there is none before `end`.

    Output of the server before the document is skipped, such as a warning or a guard against inclusion as a script.

    >>> find_json(')]}\',\n{"version": "1"}'), find_json("<rss>")
    (6, None)
    """
    first = _EMPTY_FIRST.match(text)
    begin = first.end() if first else 0
    if text[begin : begin + 1] in ("{", "["):
        return begin
    match = _OBJECT.search(text, begin, min(_MAX_JUNK_CHARS, len(text) if end is None else end))
    return match.start() if match else None


def read_json(text: str) -> tuple[object, bool]:
    """Return the JSON value at the start of `text`, and whether its end was found. Text after the value is ignored.

    Raises:
        ValueError: the value cannot be read, even after repairs.
        RecursionError: the value is nested too deeply.
    """
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0], True
    except ValueError:
        repaired, complete = _repair(text)
    return json.loads(repaired, strict=False), complete


def _as_json(match: re.Match[str]) -> str:
    """Return an escape unchanged if JSON has it; of any other (JavaScript has some), return the escaped character."""
    return match[0] if match[1] is None else match[1]


def _repair(text: str) -> tuple[str, bool]:
    """Return `text` as valid JSON, and whether its end was found.

    Comments and surplus commas are removed. If the end is missing, the last complete member or item becomes the end.
    """
    out: list[str] = []
    open_signs: list[str] = []
    safe, safe_signs = 0, list[str]()
    for match in _TOKEN.finditer(text):
        sign = match.group()
        if sign in _BROKEN:
            break
        if sign.isspace() or sign[0] in _IGNORED:
            continue
        if sign in "{[":
            open_signs.append(sign)
        elif sign in "}]":
            if out and out[-1] == ",":
                out.pop()
            if not open_signs or _CLOSING[open_signs.pop()] != sign:
                break
            if not open_signs:
                return "".join([*out, sign]), True
        elif sign == ",":
            if not out or out[-1] in ("{", "[", ","):
                continue
            if len(open_signs) <= _COMPLETE_DEPTH:
                safe, safe_signs = len(out), list(open_signs)
        if sign[0] in '{["' and out and out[-1] in ("}", "]"):
            out.append(",")
        out.append(_ESCAPE.sub(_as_json, sign) if sign[0] == '"' else _NAMES.get(sign, sign))
        if sign in "}]" and len(open_signs) <= _COMPLETE_DEPTH:
            safe, safe_signs = len(out), list(open_signs)
    return "".join([*out[:safe], *(_CLOSING[sign] for sign in reversed(safe_signs))]), False
