"""Reads and writes durations and sizes as the configuration spells them: `"5m"`, `"8MiB"`. Pure.

An unreadable text raises ValueError, whose message names the error and the remedy. The caller adds the value and its
place in the file.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from aggregator.text.tables import read_table

_UNITS: Final = read_table("units")
_MILLISECONDS: Final[dict[str, int]] = _UNITS["duration_milliseconds"]
_BYTES: Final[dict[str, int]] = _UNITS["size_bytes"]
_NUMBER_AND_UNIT: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z]*)", re.ASCII)
_LONGEST: Final = timedelta(days=36_500)


def _read(value: object, units: dict[str, int], unit: str, kind: str) -> float:
    """Return `value` in milliseconds or bytes; `units` maps each unit to its size in milliseconds or bytes.

    If `value` has no unit, the error message proposes `unit`.
    """
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    match = _NUMBER_AND_UNIT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        close = _NUMBER_AND_UNIT.fullmatch(re.sub(r"\s+", "", text)) if isinstance(text, str) else None
        example = f"{close[1]}{_nearest_unit(close[2], units, unit)}" if close else f"5{unit}"
        raise ValueError(f'is not a {kind}; write a number and one of {", ".join(units)}, as in "{example}"')
    number, spelled = match.groups()
    if not spelled:
        if float(number) == 0:
            return 0
        raise ValueError(f'has no unit; write "{number}{unit}"')
    if spelled not in units:
        raise ValueError(f'has an unknown unit; write "{number}{_nearest_unit(spelled, units, unit)}"')
    return float(number) * units[spelled]


def _nearest_unit(spelled: str, units: dict[str, int], unit: str) -> str:
    """Return the unit that is probably meant by `spelled`: in another case, spelled out, or with the same first letter.

    If no unit is like `spelled`, return `unit`.
    """
    folded = spelled.lower()
    same = [name for name in units if name.lower() == folded]
    longer = [name for name in units if folded.startswith(name.lower())]
    begins = [name for name in units if folded and name.lower().startswith(folded[0])]
    return (same or longer or begins or [unit])[0]


def parse_duration(value: object, unit: str = "s") -> timedelta:
    """Return the time span in `value`: a number and ms, s, m, h or d; a bare 0 needs no unit.

    If the unit is missing, the error message proposes `unit`.

    >>> parse_duration("300ms")
    datetime.timedelta(microseconds=300000)
    >>> parse_duration("5", unit="m")
    Traceback (most recent call last):
    ValueError: has no unit; write "5m"

    Raises:
        ValueError: `value` is no duration or longer than a hundred years; the message is the remedy.
    """
    if isinstance(value, timedelta):
        return value
    milliseconds = _read(value, _MILLISECONDS, unit, "duration")
    if milliseconds > _LONGEST / timedelta(milliseconds=1):
        raise ValueError('is longer than a hundred years; write at most "36500d"')
    return timedelta(milliseconds=milliseconds)


def parse_size(value: object, unit: str = "MiB") -> int:
    """Return the number of bytes in `value`: a number and B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB).

    If the unit is missing, the error message proposes `unit`.

    >>> parse_size("8MiB")
    8388608

    Raises:
        ValueError: `value` is no size; the message is the remedy.
    """
    return round(_read(value, _BYTES, unit, "size"))


def format_duration(span: timedelta) -> str:
    """Return `span` in the largest unit without a fraction; `parse_duration` reads it back to the millisecond.

    >>> format_duration(timedelta(minutes=90)), format_duration(timedelta(0))
    ('90m', '0s')
    """
    milliseconds = round(span / timedelta(milliseconds=1))
    if not milliseconds:
        return "0s"
    unit = next(name for name in ("d", "h", "m", "s", "ms") if milliseconds % _MILLISECONDS[name] == 0)
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


def format_size(size_bytes: int) -> str:
    """Return `size_bytes` in the largest binary unit without a fraction; `parse_size` reads it back.

    >>> format_size(16 * 2**20), format_size(1500)
    ('16MiB', '1500B')
    """
    unit = next(name for name in ("TiB", "GiB", "MiB", "KiB", "B") if size_bytes % _BYTES[name] == 0)
    return f"{size_bytes // _BYTES[unit]}{unit}" if size_bytes else "0B"
