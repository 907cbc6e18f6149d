"""The text format of `seeds/`: writes and checks envelope and text. It extracts nothing.

    file      = envelope text LF
    envelope  = SP "date" SP date SP
    date      = YYYY-MM-DD | YYYY-MM | YYYY

The text is not stripped at either end. A document without a known date has no envelope.
"""

from __future__ import annotations

import re
from datetime import date as Date
from typing import NamedTuple

_ENVELOPE = re.compile(r" date (\d{4}(?:-\d\d(?:-\d\d)?)?) ")
_ALMOST = re.compile(r"[ \t\ufeff]*date\b[ \t]*(\S*)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Deviation(NamedTuple):
    """A deviation from the seed format: its place (line and column from 1, columns in characters) and its kind."""

    line: int
    column: int
    message: str


def render(text: str, date: str) -> str:
    """Return a text with its envelope (" date 2022-11-11 ") before it, without the LF that ends a file.

    If the date is unknown (`""`), there is no envelope.

    >>> render("  1. Skip to content", "2022-11-11")
    ' date 2022-11-11   1. Skip to content'
    """
    return f" date {date} {text}" if date else text


def render_body(title: str, body: str, date: str) -> str:
    """Return envelope, title, blank line and body, without the LF that ends a file. See `render` for the envelope."""
    return render(f"{title}\n\n{body}" if title else body, date)


def render_markdown(title: str, markdown: str, date: str) -> str:
    """Return envelope, title as a heading, blank line and markdown, without the LF that ends a file."""
    return render(f"# {title}\n\n{markdown}" if title else markdown, date)


def is_date(date: str) -> bool:
    """Return whether `date` is an existing day, month or year in the spelling of the envelope.

    >>> is_date("2022-11"), is_date("2022-02-30"), is_date("11 Nov 2022")
    (True, False, False)
    """
    if not re.fullmatch(r"\d{4}(?:-\d\d(?:-\d\d)?)?", date, re.ASCII):
        return False
    try:
        Date.fromisoformat((date + "-01-01")[:10])
    except ValueError:
        return False
    return True


def check(data: bytes) -> tuple[Deviation, ...]:
    """Return the deviations of a file's bytes from the seed format. Of each kind only the first is returned.

    If the bytes are not UTF-8, this is the only deviation.
    """
    try:
        document = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        return (Deviation(*_place(before, len(before)), f"byte 0x{data[error.start]:02x} is not UTF-8"),)
    found = [_envelope_deviation(document), *_character_deviations(document), _end_deviation(document)]
    return tuple(deviation for deviation in found if deviation is not None)


def _envelope_deviation(document: str) -> Deviation | None:
    envelope = _ENVELOPE.match(document)
    if envelope is not None:
        date = envelope.group(1)
        if not is_date(date):
            return Deviation(1, 7, f"{date} is no day of the calendar")
        if not document[envelope.end() :].strip():
            return Deviation(1, envelope.end() + 1, "there is no text after the envelope")
        return None
    almost = _ALMOST.match(document[:200])
    if almost is None:
        return Deviation(1, 1, 'no envelope; a document begins with " date YYYY-MM-DD "')
    if not is_date(almost.group(1)):
        message = f"{almost.group(1)!r} is no date as YYYY-MM-DD, YYYY-MM or YYYY"
        return Deviation(1, almost.start(1) + 1, message)
    ought = f" date {almost.group(1)} "
    column = next((n for n, pair in enumerate(zip(document, ought, strict=False), 1) if pair[0] != pair[1]), len(ought))
    return Deviation(1, column, 'the envelope is " date YYYY-MM-DD ", with single spaces')


def _character_deviations(document: str) -> list[Deviation]:
    """Return the first deviation of each kind: byte order mark, carriage return, other control characters.

    Only the first, since a file with CR LF would have a deviation on each line.
    """
    found = []
    if document.startswith("\ufeff"):
        found.append(Deviation(1, 1, "byte order mark"))
    if (at := document.find("\r")) >= 0:
        found.append(Deviation(*_place(document, at), "carriage return; lines end with LF"))
    control = _CONTROL.search(document.replace("\r", " "))
    if control is not None:
        found.append(Deviation(*_place(document, control.start()), f"control character U+{ord(control.group()):04X}"))
    return found


def _end_deviation(document: str) -> Deviation | None:
    if document.endswith("\n"):
        return None
    return Deviation(*_place(document, len(document)), "the file does not end with LF")


def _place(document: str, index: int) -> tuple[int, int]:
    return document.count("\n", 0, index) + 1, index - document.rfind("\n", 0, index)
