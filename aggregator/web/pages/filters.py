"""Formats times, sizes and texts for pages. These functions are the filters of the templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup

from aggregator.urls import is_http

_BIDI_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def moment(at: datetime | None) -> str:
    """Return a time in UTC, to the minute; "–" for None.

    >>> moment(datetime(2026, 11, 1, 12, 30, tzinfo=UTC)), moment(None)
    ('2026-11-01 12:30', '–')
    """
    return "–" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def stated(text: str) -> str:
    """Return a time that a page states, to the minute. If it has an offset, it is converted to UTC.

    A day alone, and text that is no ISO 8601 time, are returned unchanged.

    >>> stated("2026-11-01T12:30:05.68+01:00"), stated("2026-11-01T12:30:05"), stated("2026-11-01"), stated("May")
    ('2026-11-01 11:30', '2026-11-01 12:30', '2026-11-01', 'May')
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if "T" not in text.upper():
        return text
    return moment(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def span(length: timedelta | None) -> str:
    """Return a duration in its largest units, one or two of them; "–" for None.

    >>> span(timedelta(seconds=42)), span(timedelta(minutes=5)), span(timedelta(minutes=95)), span(timedelta(hours=76))
    ('42 s', '5 min', '1 h 35 min', '3 d 4 h')
    """
    if length is None:
        return "–"
    seconds = round(length.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 2 else f"{days} d {hours % 24} h"


def size(count: float) -> str:
    """Return a number of bytes with a unit from B to TB.

    >>> size(999), size(1500), size(2_500_000), size(3e12)
    ('999 B', '1.5 kB', '2.5 MB', '3.0 TB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def weblink(url: str | None) -> str:
    """Return the address if it is http(s), else "#". So no link can run a script.

    >>> weblink("https://a.example/"), weblink("javascript:alert(1)")
    ('https://a.example/', '#')
    """
    return url if url and is_http(url) else "#"


def host(url: str) -> str:
    """Return the host name in an address, or "" if the address is invalid.

    >>> host("https://images.example:8443/a.jpg"), host("http://[")
    ('images.example', '')
    """
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def paragraphs(body: str) -> Markup:
    r"""Return a body as HTML paragraphs. Each has its own text direction; HTML in the body is shown as text.

    >>> paragraphs("One <b>\n\nTwo")
    Markup('<p dir="auto">One &lt;b&gt;</p>\n<p dir="auto">Two</p>')
    """
    made = "\n".join(f'<p dir="auto">{escape(part)}</p>' for part in body.split("\n\n") if part.strip())
    return Markup(nh3.clean(made, tags={"p"}, attributes={"p": {"dir"}}))  # noqa: S704 - cleaned in this very line


def without_bidi_controls(value: object) -> object:
    r"""Return a text without bidi controls: characters that reorder the text around them (UAX #9, X1 to X8).

    A title with such a character turns the whole line around, or shows a false name. The marks LRM, RLM and ALM stay,
    since they affect only their own place. Values that are not text, and markup that is escaped already, are returned
    unchanged.

    >>> without_bidi_controls("photo\u202egnp.exe")
    'photognp.exe'
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return strip_bidi_controls(value)


def strip_bidi_controls(text: str) -> str:
    """Return a text without bidi controls; see `without_bidi_controls`."""
    return _BIDI_CONTROLS.sub("", text)


def line_of_xml(text: str) -> str:
    r"""Return a line of text for Atom, without characters that XML forbids and without bidi controls.

    >>> line_of_xml("a\x00b\u2067c")
    'abc'
    """
    return _BIDI_CONTROLS.sub("", xml_text(text))


def xml_text(text: str) -> str:
    r"""Return `text` without characters that XML 1.0 forbids.

    >>> xml_text("a\x00b\tc")
    'ab\tc'
    """
    return _NOT_XML.sub("", text)
