"""Laws whose examples are costly: they try a share of what other laws try."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

_USUAL = 100  # examples of a law under the profile `ci`


def at_most(examples: int, **others: Any) -> settings:  # Any: settings of Hypothesis
    """Return settings for `examples` examples under the profile `ci`, and as much fewer under another as all laws."""
    number = max(settings().max_examples * examples // _USUAL, 5)
    return settings(max_examples=number, deadline=None, **others)


def stride() -> int:
    """Return 1 where laws try all their examples, and a larger step where they try fewer."""
    return max(_USUAL // settings().max_examples, 1)
