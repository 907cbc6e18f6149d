"""Parses dates as feeds write them: from the raw string to an aware UTC time. It never guesses.

It knows ISO 8601 in its variants, RFC 822 and asctime, month names of all languages of CLDR, the Persian calendar, the
Buddhist era, named zones, epochs and 12-hour clocks. A time without a zone is UTC; with a Korean word for
morning or afternoon it is Korean time. `parse_date` returns `None` for an unreadable, ambiguous or implausible date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aggregator.text.date_names import find_months, fold, words_of

EARLIEST_AT = datetime(1995, 1, 1, tzinfo=UTC)  # of an article; no newspaper was on the Web much earlier
_WEB_BEGAN_AT = datetime(1991, 8, 6, tzinfo=UTC)  # an entry may tell of an older page: archives have feeds
LATEST_AHEAD = timedelta(days=2)  # clocks and zones go wrong; embargoed dates further ahead are of no use

_MAX_CHARS = 100

# Vietnamese: "tháng 11 năm 2024", and "Th 2" for Monday before it. Mongolian: "11-р сарын".
_NUMBERED_MONTH = re.compile(r"\b(?:thang|thg|th)\s?(1[0-2]|0?[1-9])\b(?:\s?(?:,|nam\b))?")
_MONTH_WITH_NUMBER = re.compile(r"\b(1[0-2]|0?[1-9])\s?(?:-\s?р\s)?\s?сар(?:ын)?\b")
_ENGLISH = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905  readable so
_NUMBERED_DAY = re.compile(r"^(?:thu|th|t)\s?[2-7]\b,?(?=.*\bth)")
_PERSIAN_YEARS = range(1300, 1500)  # of the Solar Hijri calendar; years of the lunar one lie elsewhere since 1995
_THAI_YEARS = range(2400, 2700)  # of the Buddhist era
_THAI_OFFSET = 543

# Minutes east of Greenwich. One-letter military zones but Z are left out: both signs were in use (RFC 2822, 4.3).
_ZONES = {
    "utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "uct": 0,
    "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
    "akst": -540, "akdt": -480, "hst": -600, "ast": -240, "adt": -180, "nst": -210, "ndt": -150,
    "cet": 60, "cest": 120, "met": 60, "mest": 120, "mez": 60, "mesz": 120, "bst": 60, "west": 60,
    "eet": 120, "eest": 180, "msk": 180, "мск": 180,
    "msd": 240, "trt": 180, "sast": 120, "cat": 120, "eat": 180, "wat": 60,
    "ist": 330, "pkt": 300, "npt": 345, "ict": 420, "wib": 420, "wita": 480, "wit": 540, "myt": 480, "sgt": 480,
    "hkt": 480, "pht": 480, "awst": 480, "jst": 540, "kst": 540, "acst": 570, "acdt": 630, "aest": 600, "aedt": 660,
    "nzst": 720, "nzdt": 780, "brt": -180, "brst": -120, "art": -180, "clt": -240, "clst": -180, "pet": -300,
    "cot": -300, "vet": -240, "irst": 210,
}  # fmt: skip
_ZONE_PLACES = {  # names that do not say whether it is summer
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
    "at": "America/Halifax",
}
_AFTERNOON = frozenset({"pm", "p.m.", "p.m", "下午", "午後", "晚上", "오후", "μμ", "μ.μ."})
_MORNING = frozenset({"am", "a.m.", "a.m", "上午", "午前", "오전", "πμ", "π.μ."})

# After folding (NFKC): ASCII digits, small letters, no accents.
_MERIDIEM = "|".join(sorted(map(re.escape, _AFTERNOON | _MORNING), key=len, reverse=True))
_TIME = re.compile(
    rf"(?<![\d:.+-])(?P<before>{_MERIDIEM})?\s?(?P<hour>\d{{1,2}})\s?(?:[:時时点點시]|h(?=\d\d))\s?(?P<minute>\d{{1,2}})"
    rf"(?:\s?[:分분]\s?(?P<second>\d{{1,2}})(?:[.,:]\d{{1,9}})?)?[분分秒초]?(?!\d)\s?(?P<after>(?:{_MERIDIEM})(?![^\W\d]))?"
)
_HOUR_ONLY = re.compile(r"(?<![\d:.+-])(?P<hour>\d{1,2})\s?(?P<after>[ap]\.?m\.?)(?![^\W\d])")
_COMPACT = re.compile(
    r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?:[t ]?(?P<hh>\d\d):?(?P<mm>\d\d)(?::?(?P<ss>\d\d)(?:[.,]\d{1,9})?)?)?"
    r"(?P<zone>\s?(?:z|utc|gmt|[+-]\d\d:?\d\d))?"
)
_EPOCH = re.compile(r"-?(\d{9,19})(?:\.\d{1,9})?")
_OFFSET = re.compile(r"(?:\b(?:gmt|utc|ut|z)\s?)?([+-])\s?(\d{1,2})(?::?(\d\d))?(?::\d\d)?(?![\d/])")
_PLACE = re.compile(r"\b(?:etc/gmt[+-]\d{1,2}|[a-z]{2,20}/[a-z_]{2,30}(?:/[a-z_]{2,30})?)")
_BRACKETS = re.compile(r"[(\[][^()\[\]]{0,60}[)\]]")

_YMD = re.compile(r"(?<!\d)(\d{4})\s?[-/.年년]\s?(\d{1,3})(?:\s?[-/.月월]\s?(\d{1,2})(?!\d)\s?[日일]?|月|(?!\d))")
_ORDINAL = re.compile(r"(\d{4})-?([0-3]\d\d)(?=t|\s|$)")
_WEEK = re.compile(r"(\d{4})-?w(\d\d)(?:-?([1-7]))?")
_DMY = re.compile(r"(?<!\d)(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d\d)(?!\d)")
_YEAR = re.compile(r"(?<![\d+:.-])\d{4}(?![\d:])")
_TOKEN = re.compile(r"\d+|[^\W\d_](?:[^\W\d_]|[\u0300-\u0dff॰׳ʼ])*")
_MAX_STRANGE_WORDS = 4  # a weekday and particles (de, год, o'clock); more is prose


# What most feeds write: RFC 3339 (Atom) and RFC 822 with a year of four digits (RSS 2.0).
_RFC_3339 = re.compile(r"(?:19|20)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII)
_RFC_822 = re.compile(
    r"(?:[A-Z][a-z]{2}, )?\d\d? [A-Z][a-z]{2} (?:19|20)\d\d \d\d:\d\d:\d\d (?:GMT|[+-]\d\d[0-5]\d)", re.ASCII
)
_FARTHEST = timedelta(hours=14)  # no zone is farther from UTC


def read_usual(raw: str) -> datetime | None:
    """Return the time of a date as RFC 3339 (Atom) or RFC 822 (RSS) writes it, in its own offset; None: another form.

    Fractions of a second are dropped. The offset `-0000` means UTC.

    >>> read_usual("Fri, 11 Nov 2022 10:43:00 +0100").isoformat(), read_usual("11.11.2022")
    ('2022-11-11T10:43:00+01:00', None)
    """
    try:
        if _RFC_3339.fullmatch(raw):
            at = datetime.fromisoformat(raw)
        elif _RFC_822.fullmatch(raw):
            at = parsedate_to_datetime(raw)
        else:
            return None
    except ValueError:  # the 31st of February, the end of a day
        return None
    at = at.replace(microsecond=0, tzinfo=at.tzinfo or UTC)  # no zone: -0000
    return at if abs(at.utcoffset() or timedelta(0)) <= _FARTHEST else None


def parse_date(raw: str, now: datetime, language: str = "") -> datetime | None:
    """Return the time in `raw`; `None` if `raw` is unreadable, ambiguous or not plausible.

    `language` is the tag of the publisher's language: "listopada" is November in Polish and October in Croatian. A time
    is plausible from the first page of the Web (1991) up to two days after `now`.

    >>> now = datetime(2024, 1, 1, tzinfo=UTC)
    >>> parse_date("ven., 11 nov. 2022 10:15:00 CET", now)
    datetime.datetime(2022, 11, 11, 9, 15, tzinfo=datetime.timezone.utc)
    >>> parse_date("02/03/2022", now) is None
    True
    """
    try:
        found = read_usual(raw) or _search(raw, now, language)
        at = found.astimezone(UTC) if found else None
    except (ValueError, OverflowError):  # the 31st of February, the hour 25
        return None
    return at if at and _WEB_BEGAN_AT <= at <= now + LATEST_AHEAD else None


def _search(raw: str, now: datetime, language: str) -> datetime | None:
    """Return the time of a date that `read_usual` cannot read; None: an unknown form, or over 100 characters."""
    text = fold(raw) if len(raw) <= _MAX_CHARS else ""
    return (_read_epoch(text, now) or _read_compact(text) or _read(text, language)) if text else None


def _read_epoch(text: str, now: datetime) -> datetime | None:
    """Read a number of seconds, milliseconds, microseconds or nanoseconds since 1970.

    The unit is the first of these that gives a plausible time.
    """
    if not (match := _EPOCH.fullmatch(text)):
        return None
    number = int(match.group(1))
    for unit in (1, 1000, 10**6, 10**9):
        at = datetime.fromtimestamp(number // unit, UTC) if number // unit < 10**11 else None
        if at and _WEB_BEGAN_AT <= at <= now + LATEST_AHEAD:
            return at
    return None


def _read_compact(text: str) -> datetime | None:
    """Read ISO 8601 in its basic format: 20221111, 20221111T091500Z."""
    if not (match := _COMPACT.fullmatch(text)):
        return None
    clock = timedelta(
        hours=int(match["hh"] or 0), minutes=int(match["mm"] or 0), seconds=min(int(match["ss"] or 0), 59)
    )
    if clock > timedelta(hours=24):
        return None
    day = datetime(int(match["y"]), int(match["m"]), int(match["d"]))  # noqa: DTZ001  the zone follows
    return _in_zone(day + clock, (match["zone"] or "").strip())


def _read(text: str, language: str) -> datetime | None:
    """Return the date that a text states, with its time and zone if it has them. None: no known date or zone."""
    text = _BRACKETS.sub(" ", text) if _has_zone_before_brackets(text) else text.translate(_NO_BRACKETS)
    text = _NUMBERED_MONTH.sub(_month_named, _NUMBERED_DAY.sub("", text))
    text = _MONTH_WITH_NUMBER.sub(_month_named, text)
    text = _DOTTED_TIME.sub(_with_colons, text)
    time = _TIME.search(text) or _HOUR_ONLY.search(text)
    if time is None:
        after = _AFTER_DAY.search(text)
        day, zone = (text[: after.start()], after[1]) if after else (text, "")
        date = _read_day(day, language, american=False)
    else:
        before, zone = text[: time.start()], text[time.end() :]
        american = bool(_AMERICAN & set(_TOKEN.findall(zone)))
        date = _read_day(before.rstrip(" t,"), language, american=american)
        if date is None:  # the year after the zone (asctime), or the whole date after the time
            date, zone = _read_day_around(before, zone, language)
    return _in_zone(date + _clock(time), zone.strip(), korean="오" in text) if date else None


_NO_BRACKETS = str.maketrans("()[]", "    ")
_AFTER_DAY = re.compile(r"(?<=\d{4}-\d\d-\d\d)\s?(z|[+-]\d\d:?\d\d)$")
# "2022-11-11T0915Z", "2022-11-11T09", "11 Nov 2022 09.15.00"
_DOTTED_TIME = re.compile(
    r"(?<=\dt)(\d\d)(\d\d)?(\d\d)?(?=z|[+-]|$)|(?<=\d{4}[ ,])\s?(\d{1,2})\.(\d\d)(?:\.(\d\d))?(?![\d.])"
)
_AMERICAN = frozenset({"est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "et", "ct", "mt", "pt"})


def _month_named(match: re.Match[str]) -> str:
    return f" {_ENGLISH[int(match[1]) - 1]} "


def _with_colons(match: re.Match[str]) -> str:
    parts = [part for part in match.groups() if part]
    return " " + ":".join(parts if len(parts) > 1 else [*parts, "00"])


def _has_zone_before_brackets(text: str) -> bool:
    """Return whether the brackets only explain an offset before them: `+0100 (CET)`, `+01:00[Europe/Berlin]`."""
    start = min((i for i in (text.find("("), text.find("[")) if i >= 0), default=-1)
    return start >= 0 and bool(re.search(r"(?:[+-]\d\d:?\d\d|\bgmt|\butc|z)\s?$", text[:start]))


def _clock(time: re.Match[str] | None) -> timedelta:
    """Return the time since midnight, for 12- and 24-hour clocks.

    24:00 is the end of the day. A leap second is read as the second before it.

    Raises:
        ValueError: there is no such time of day.
    """
    if time is None:
        return timedelta(0)
    parts = time.groupdict()
    hour, minute, second = int(parts["hour"]), int(parts.get("minute") or 0), int(parts.get("second") or 0)
    meridiem = parts.get("before") or (parts.get("after") or "").replace(" ", "")
    if meridiem and 1 <= hour <= 12:
        hour = hour % 12 + (12 if meridiem in _AFTERNOON else 0)
    if (
        (meridiem and hour == 0 and meridiem in _AFTERNOON)
        or hour > 24
        or minute > 59
        or second > 60
        or (hour == 24 and minute + second)
    ):
        raise ValueError("no time of day")
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59))


def _read_day_around(before: str, after: str, language: str) -> tuple[datetime | None, str]:
    """Read a date that stands after its time, or whose year alone does (asctime: `Nov 11 10:15 2022`).

    `before` and `after` are the texts before and after the time. Return the date (None: unreadable) and the rest of
    `after`, which may name the zone.
    """
    if (year := _YEAR.search(after)) and (after[: year.start()] + " ")[-1] in " ," and before.strip():
        rest = after[: year.start()] + after[year.end() :]
        return _read_day(f"{before} {year.group()}", language, american=False), rest
    return (None, "") if before.strip() else (_read_day(after, language, american=False), "")


def _read_day(text: str, language: str, *, american: bool) -> datetime | None:
    """Read a date without time and zone. A month or a year alone means its first day.

    `american` True: in 1/2/2022 the month comes first. None: the text has no known form, or the date is ambiguous.
    """
    if match := _WEEK.fullmatch(text):
        return datetime.fromisocalendar(int(match[1]), int(match[2]), int(match[3] or 1))
    if match := _ORDINAL.fullmatch(text):
        return _read_day_of_year(int(match[1]), int(match[2]))
    if (match := _YMD.search(text)) and _is_only_date(match, text):
        year, month, day = match.groups()
        if len(month) == 3 and not month.startswith("0"):
            return None
        return _date(int(year), int(month), int(day or 1))
    if (match := _DMY.search(text)) and _is_only_date(match, text):
        return _read_slashed_day(match, american=american)
    if re.fullmatch(r"\d{4}", text):
        return datetime(int(text), 1, 1)  # noqa: DTZ001  the zone follows
    return _read_named_day(text, language)


def _read_day_of_year(year: int, number: int) -> datetime:
    day = datetime(year, 1, 1) + timedelta(days=number - 1)  # noqa: DTZ001  the zone follows
    if day.year != year:
        raise ValueError("no day of the year")
    return day


def _is_only_date(match: re.Match[str], text: str) -> bool:
    """Return whether a text has no number beside the date that `match` found."""
    around = _TOKEN.findall(text[: match.start()] + " " + text[match.end() :])
    return not any(token.isdecimal() for token in around)


def _read_slashed_day(match: re.Match[str], *, american: bool) -> datetime | None:
    """Read 25.12.2022, 25/12/2022 and 12/25/2022.

    With dots the day comes first. With slashes and hyphens the order must be clear: one number is over 12, or both are
    equal. `american` True: with slashes the month comes first. None: the order is not clear.
    """
    first, second, year = int(match[1]), int(match[3]), _full_year(match[4])
    if american and match[2] == "/" and first <= 12:
        return _date(year, first, second)
    if match[2] == "." or first > 12 or first == second:
        return _date(year, second, first)
    return _date(year, first, second) if second > 12 else None


def _read_named_day(text: str, language: str) -> datetime | None:
    """Read a day with the name of its month: 11 Nov 2022, November 11th, 2022, 11-Nov-22, Nov 2022."""
    words = words_of(text)
    numbers = [i for i, word in enumerate(words) if word.isdecimal()]
    if not 1 <= len(numbers) <= 2:
        return None
    digits = [words[i] for i in numbers]
    day, year = (digits[-1], digits[0]) if len(digits[0]) == 4 else (digits[0], digits[-1])
    persian = len(year) == 4 and int(year) in _PERSIAN_YEARS
    months, strange = find_months(words, language, persian=persian)
    if not months or strange > _MAX_STRANGE_WORDS:
        return None
    # "mar., 06 dec. 2022": Tuesday. The name after a number is the month, the one before it may be a weekday.
    behind = [i for i in months if i > numbers[0]]
    at = behind[0] if behind else max(months)
    if len(digits) == 1:
        return _date(int(year), months[at], 1) if len(year) == 4 else None
    is_thai = "\u0e00" <= words[at][0] <= "\u0e7f"
    return _date(int(year) + 2500 if is_thai and len(year) == 2 else _full_year(year), months[at], int(day))


def _date(year: int, month: int, day: int) -> datetime:
    """Return the midnight of a day, without a zone.

    A year from 1300 to 1499 belongs to the Persian calendar, one from 2400 to 2699 to the Buddhist era.
    """
    if year in _PERSIAN_YEARS:
        return _persian_date(year, month, day)
    return datetime(year - _THAI_OFFSET if year in _THAI_YEARS else year, month, day)  # noqa: DTZ001  the zone follows


_PERSIAN_NEW_YEAR = datetime(2024, 3, 20)  # noqa: DTZ001  of 1403
_PERSIAN_LEAPS = frozenset({1, 5, 9, 13, 17, 22, 26, 30})  # of 33 years: right from 1244 to 1502


def _persian_date(year: int, month: int, day: int) -> datetime:
    is_leap = year % 33 in _PERSIAN_LEAPS
    last = 31 if month <= 6 else 30 if month <= 11 or is_leap else 29
    if not (1 <= month <= 12 and 1 <= day <= last):
        raise ValueError("no day of the Persian calendar")
    low, high = sorted((year, 1403))
    days = 365 * (high - low) + sum(other % 33 in _PERSIAN_LEAPS for other in range(low, high))
    months = (month - 1) * 30 + min(month - 1, 6)
    return _PERSIAN_NEW_YEAR + timedelta(days=(days if year >= 1403 else -days) + months + day - 1)


def _full_year(digits: str) -> int:
    """Return the year in `digits`. Two digits are a year from 1969 to 2068, as in POSIX strptime."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 69 else 1900)
    if len(digits) != 4:
        raise ValueError("no year")
    return year


def _in_zone(local: datetime, zone: str, *, korean: bool = False) -> datetime | None:
    """Return `local` in the zone that a text names. A text without a zone means UTC; None: the name is unknown.

    `korean` True (the time has a Korean word for morning or afternoon): a text without a zone means Korean time.
    """
    if match := _OFFSET.search(zone):
        sign, hours, minutes = match.groups()
        # `Z+0100` and `UTC +0100` mean the offset; `Etc/GMT+1` has the opposite sign and is a place
        if "etc/" not in zone:
            shift = timedelta(hours=int(hours), minutes=int(minutes or 0))
            if shift > _FARTHEST or int(minutes or 0) > 59:
                return None
            return local.replace(tzinfo=timezone(-shift if sign == "-" else shift))
    if match := _PLACE.search(zone):
        return _at_place(local, match.group())
    words = [word for word in _TOKEN.findall(zone) if word not in _NO_ZONE]
    if not words:
        # A Korean half of the day without a zone: there is one zone where it is written.
        return local.replace(tzinfo=timezone(timedelta(hours=9)) if korean else UTC)
    if words[0] in _ZONES:
        return local.replace(tzinfo=timezone(timedelta(minutes=_ZONES[words[0]])))
    return _at_place(local, _ZONE_PLACES.get(words[0], ""))


_NO_ZONE = frozenset({"h", "hs", "hrs", "uhr", "ч", "г", "klo", "kl", "h24", "o", "clock"})


def _at_place(local: datetime, place: str) -> datetime | None:
    zone = _zone_of_place(place)
    return local.replace(tzinfo=zone) if zone else None


def _zone_of_place(place: str) -> tzinfo | None:
    """Return the time zone of a name such as `america/port_of_spain`; None: there is none.

    Names in the zone database have capital letters, which `place` lacks.
    """
    name = "/".join("_".join(_capital(word) for word in part.split("_")) for part in place.split("/"))
    try:
        return ZoneInfo(name.replace("Gmt", "GMT")) if name else None
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return None


def _capital(word: str) -> str:
    return word if word in {"of", "es", "au"} else word.capitalize()
