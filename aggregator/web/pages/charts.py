"""Computes the bars of a chart as positions in an SVG image. A template draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from aggregator.ports.readings import DayCounts

WIDTH: Final = 720
HEIGHT: Final = 160
_GAP: Final = 4  # between two days


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its upper left corner and size in the image, and the kind, day and count that it stands for."""

    kind: str
    day: date
    count: int
    x: float
    y: float
    width: float
    height: float


def bars(days: Sequence[DayCounts]) -> tuple[Bar, ...]:
    """Return two bars for each day, one for articles and one for entries. All bars have the same scale.

    The bar of a count above 0 is at least 1 high, so that it can be seen.

    >>> bars([DayCounts(day=date(2026, 11, 1), articles=0, entries=5)])[1].height
    160.0
    """
    most = max((max(one.articles, one.entries) for one in days), default=0)
    step = WIDTH / max(len(days), 1)
    made = []
    for n, one in enumerate(days):
        for place, (kind, count) in enumerate((("articles", one.articles), ("entries", one.entries))):
            height = max(HEIGHT * count / most, 1.0) if count else 0.0
            width = (step - _GAP) / 2
            made.append(
                Bar(
                    kind=kind,
                    day=one.day,
                    count=count,
                    x=round(n * step + place * width + _GAP / 2, 2),
                    y=round(HEIGHT - height, 2),
                    width=round(width, 2),
                    height=round(height, 2),
                )
            )
    return tuple(made)
