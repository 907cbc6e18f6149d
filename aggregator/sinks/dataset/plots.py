"""Bar charts as SVG, for the card of a dataset. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

_WIDTH: Final = 720  # pixels
_LABELS: Final = 170
_NUMBERS: Final = 70
_ROW: Final = 22
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}rect{fill:#2f6f9f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#79b8e0}}"
)


def bar_chart(title: str, rows: Sequence[tuple[str, int]]) -> str:
    """Return a chart of horizontal bars, a row each, as an SVG document that follows the reader's colour scheme."""
    height = (len(rows) + 1) * _ROW + 8
    largest = max((value for _, value in rows), default=0) or 1
    space = _WIDTH - _LABELS - _NUMBERS
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_WIDTH}" height="{height}"',
        f' viewBox="0 0 {_WIDTH} {height}">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text x="0" y="15" font-weight="bold">{escape(title)}</text>',
    ]
    for index, (label, value) in enumerate(rows, 1):
        top, width = index * _ROW, max(1, round(value / largest * space)) if value else 0
        lines += [
            f'<text x="{_LABELS - 8}" y="{top + 15}" text-anchor="end">{escape(_short(label))}</text>',
            f'<rect x="{_LABELS}" y="{top + 3}" width="{width}" height="{_ROW - 6}"/>',
            f'<text x="{_LABELS + width + 6}" y="{top + 15}">{value}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _short(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"
