"""Draws the charts of a dataset's card as SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

_WIDTH: Final = 720  # pixels
_LABELS: Final = 200
_NUMBERS: Final = 70
_ROW: Final = 22
_COLUMN_HEIGHT: Final = 120
_LABEL_SIGNS: Final = 26
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}text.title{font-weight:bold}rect{fill:#2f6f9f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#79b8e0}}"
)


def bar_chart(title: str, rows: Sequence[tuple[str, int]]) -> str:
    """Return an SVG chart with a horizontal bar for each row (label, count), in light and dark colours."""
    height = (len(rows) + 1) * _ROW + 8
    largest = max((value for _, value in rows), default=0) or 1
    space = _WIDTH - _LABELS - _NUMBERS
    lines = _head(title, height)
    for index, (label, value) in enumerate(rows, 1):
        top, width = index * _ROW, max(1, round(value / largest * space)) if value else 0
        lines += [
            f'<text x="{_LABELS - 8}" y="{top + 15}" text-anchor="end">{escape(_short(label))}</text>',
            f'<rect x="{_LABELS}" y="{top + 3}" width="{width}" height="{_ROW - 6}"/>',
            f'<text x="{_LABELS + width + 6}" y="{top + 15}">{value}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def column_chart(title: str, rows: Sequence[tuple[str, int]]) -> str:
    """Return an SVG chart with a column for each row (label, count). Only the first and the last are labelled."""
    largest = max((value for _, value in rows), default=0) or 1
    width = _WIDTH / max(1, len(rows))
    bottom = _ROW + 14 + _COLUMN_HEIGHT
    lines = [*_head(title, bottom + _ROW), f'<text x="0" y="{_ROW + 10}">{largest} at most</text>']
    for index, (label, value) in enumerate(rows):
        height = max(1, round(value / largest * _COLUMN_HEIGHT)) if value else 0
        place = f'x="{index * width:.1f}" y="{bottom - height}" width="{max(0.5, width * 0.85):.1f}" height="{height}"'
        lines.append(f"<rect {place}><title>{escape(label)}: {value}</title></rect>")
    if rows:
        lines += [
            f'<text x="0" y="{bottom + 16}">{escape(rows[0][0])}</text>',
            f'<text x="{_WIDTH}" y="{bottom + 16}" text-anchor="end">{escape(rows[-1][0])}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _head(title: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_WIDTH}" height="{height}"',
        f' viewBox="0 0 {_WIDTH} {height}">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="0" y="15">{escape(title)}</text>',
    ]


def _short(label: str) -> str:
    """Return a label of at most 26 characters: an address without its scheme, a longer label without its middle."""
    plain = label.removeprefix("https://").removeprefix("http://").removeprefix("www.")
    half = _LABEL_SIGNS // 2
    return plain if len(plain) <= _LABEL_SIGNS else f"{plain[:half]}…{plain[-half + 1 :]}"
