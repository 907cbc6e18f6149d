"""Dates as feeds write them: the raw string to an aware UTC time, or nothing. Never a guess between two readings.

It knows ISO 8601 in its variants, RFC 822 and asctime, month names of some fifty languages, named zones, epochs and
12-hour clocks. A time without a zone is UTC. What cannot be read, can be read in two ways or is not plausible gives
`None`: the caller flags it.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EARLIEST_AT = datetime(1995, 1, 1, tzinfo=UTC)  # no feed is older
LATEST_AHEAD = timedelta(days=2)  # clocks and zones go wrong; embargoed dates further ahead are of no use

_MAX_CHARS = 100

# Names and abbreviations of the months in CLDR 46, without accents and dots; a name that means two months in two
# languages (listopad, lip, lis, srp) is left out.
_MONTH_NAMES = (
    (
        "ene enero gen gener gennaio ian ianuarie jaan jaanuar jaenner jan janar janeiro janner januar januara "
        "januari januarie january janv janvaris janvier led leden ledna oca ocak saus sausio sausis sij sijecanj "
        "sijecnja sty styczen stycznia tammi tammikuu tammikuuta urt urtarrila xan xaneiro yan yanvar ιαν "
        "ιανουαριοσ ιανουαριου сту студзень студзеня січ січень січня янв январь января яну януари јан јануар "
        "јануари қаң қаңтар հնվ հունվար հունվարի ינואר ינו׳ جنوری يناير जनवरी जन॰ জানু জানুযারী იან იანვარი"
    ),
    (
        "feb febbraio feber febr febreiro febrer febrero februar februara februari februarie februaris february "
        "fev fevereiro fevr fevral fevrier helmi helmikuu helmikuuta lut lutego luty ots otsaila shk shkurt sub "
        "subat uno unor unora vas vasario vasaris veebr veebruar velj veljaca veljace φεβ φεβρουαριοσ φεβρουαριου "
        "ақп ақпан лют лютага лютии лютого люты феб фебруар фев февр февраль февраля февруари փետրվար փետրվարի "
        "փտվ פברואר פבר׳ فبراير فروری फरवरी फर॰ ফেব ফেবরুযারী თებ თებერვალი"
    ),
    (
        "bre brezen brezna kov kovas kovo maalis maaliskuu maaliskuuta maart mac machi maerz mar marc marca march "
        "marcius marco marec maret mars mart martie marts martxoa marz marzec marzo mrt mrz ozu ozujak ozujka μαρ "
        "μαρτιοσ μαρτιου бер березень березня мар март марта нау наурыз сак сакавік сакавіка մարտ մարտի մրտ מרץ "
        "مارس مارچ मारच মারচ მარ მარტი"
    ),
    (
        "abr abril api apirila apr aprel april aprila aprile aprili aprilie aprilis aprill avr avril bal balandis "
        "balandzio dub duben dubna huhti huhtikuu huhtikuuta kwi kwiecien kwietnia nis nisan pri prill tra "
        "travanj travnja απρ απριλιοσ απριλιου апр апрель апреля април квіт квітень квітня кра красавік красавіка "
        "сәу сәуір ապր ապրիլ ապրիլի אפריל אפר׳ ابريل اپریل अपरैल এপরি এপরিল აპრ აპრილი"
    ),
    (
        "geg geguze geguzes kve kveten kvetna mag maggio mai maiatza maig maijs maio maj maja majus may mayo "
        "mayıs mei svi svibanj svibnja touko toukokuu toukokuuta μαι μαιοσ μαιου маи мам мамыр мая мај трав "
        "травень травня մայիս մայիսի մյս מאי ماي مايو ميی मई মে მაი მაისი"
    ),
    (
        "birz birzelio birzelis cerven cervna cvn cze czerwca czerwiec eka ekaina giu giugno haz haziran iun "
        "iunie iyn iyun juin jun juna june junho juni junie junij junijs junio junius juny juuni kesa kesakuu "
        "kesakuuta lipanj lipnja qer qershor xuno ιουν ιουνιοσ ιουνιου июн июнь июня мау маусым черв червень "
        "червня чэр чэрвень чэрвеня юни јун јуни հնս հունիս հունիսի יוני جون يونيو जून জুন ივნ ივნისი"
    ),
    (
        "cervence cervenec cvc heina heinakuu heinakuuta iul iulie iyl iyul juil juillet jul jula julai julho "
        "juli julie julij julijs julio juliol julius july juuli korr korrik liep liepa liepos lipca lipiec lug "
        "luglio srpanj srpnja tem temmuz uzt uztaila xul xullo ιουλ ιουλιοσ ιουλιου июл июль июля лип липень "
        "липня ліп ліпень ліпеня шіл шілде юли јул јули հլս հուլիս հուլիսի יולי جولايی يوليو يوليوز जुलाई जुल॰ "
        "জুল জুলাই ივლ ივლისი"
    ),
    (
        "abu abuztua ag ago agost agosti agosto agu agust agustos agustus aout aug august augusta augusti augusts "
        "augustus augusztus avg avgust avq avqust elo elokuu elokuuta gush gusht kol kolovoz kolovoza rugp "
        "rugpjucio rugpjutis sie sierpien sierpnia srpen srpna αυγ αυγουστοσ αυγουστου авг август августа жні "
        "жнівень жніуня серп серпень серпня там тамыз օգոստոս օգոստոսի օգս אוגוסט אוג׳ اغسطس اگست غشت अगसत अग॰ আগ "
        "আগসট აგვ აგვისტო"
    ),
    (
        "eyl eylul ira iraila rugs rugsejis rugsejo ruj rujan rujna sen sentyabr sep sept septemba septembar "
        "september septembra septembre septembrie septembris septiembre set setembre setembro settembre sht "
        "shtator syys syyskuu syyskuuta szept szeptember wrz wrzesien wrzesnia zar zari σεπ σεπτεμβριοσ "
        "σεπτεμβριου вер верасень верасня вересень вересня сент сентябрь сентября сеп септембар септември қыр "
        "қыркүиек սեպ սեպտեմբեր սեպտեմբերի ספטמבר ספט׳ سبتمبر ستمبر شتنبر सितंबर सित॰ সেপ সেপটেমবর სექ სექტემბერი"
    ),
    (
        "eki ekim loka lokakuu lokakuuta oct october octobre octombrie octubre okt oktoba oktobar oktober oktobra "
        "oktobris oktoober oktyabr ott ottobre out outubro paz pazdziernik pazdziernika rij rijen rijna spal "
        "spalio spalis tet tetor urr urria οκτ οκτωβριοσ οκτωβριου жовт жовтень жовтня кас кастрычнік кастрычніка "
        "окт октобар октомври октябрь октября қаз қазан հոկ հոկտեմբեր հոկտեմբերի אוקטובר אוק׳ اكتوبر اکتوبر "
        "अकटूबर अकटू॰ অকটো অকটোবর ოქტ ოქტომბერი"
    ),
    (
        "aza azaroa kas kasım lapkr lapkricio lapkritis listopadu marras marraskuu marraskuuta nen nentor "
        "noiembrie nov novemba novembar november novembra novembre novembris novembro noviembre noy noyabr stu "
        "studeni studenoga νοε νοεμβριοσ νοεμβριου лист листопад листопада ліс лістапад лістапада нов новембар "
        "ное ноември нояб ноябрь ноября қар қараша նոյ նոյեմբեր նոյեմբերի נובמבר נוב׳ نوفمبر نومبر نونبر नवंबर "
        "नव॰ নভে নভেমবর ნოე ნოემბერი"
    ),
    (
        "abe abendua ara aralık dec decembar december decembra decembre decembrie decembris decembro dek dekabr "
        "des desemba desember desembre dets detsember dez dezember dezembro dhj dhjetor dic dicembre diciembre "
        "gru grudnia grudzien gruod gruodis gruodzio joulu joulukuu joulukuuta pro prosinac prosinca prosince "
        "prosinec δεκ δεκεμβριοσ δεκεμβριου груд грудень грудня дек декабрь декабря декември дец децембар жел "
        "желтоқсан сне снежань снежня դեկ դեկտեմբեր դեկտեմբերի דצמבר דצמ׳ دجنبر دسمبر ديسمبر दिसंबर दिस॰ ডিসে "
        "ডিসেমবর დეკ დეკემბერი"
    ),
)
_MONTHS = {name: month for month, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
# Months whose name has a space of its own, and the numbered months of Vietnamese.
_LONG_MONTHS = (
    (re.compile("كانون الثاني"), "january"),
    (re.compile("تشرين الاول"), "october"),
    (re.compile("تشرين الثاني"), "november"),
    (re.compile("كانون الاول"), "december"),
    (re.compile(r"\b(?:thang|th)\s?(\d{1,2})\b"), r"/\1/"),
)

# Minutes east of Greenwich. One-letter military zones but Z are left out: both signs were in use (RFC 2822, 4.3).
_ZONES = {
    "utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "uct": 0,
    "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
    "akst": -540, "akdt": -480, "hst": -600, "ast": -240, "adt": -180, "nst": -210, "ndt": -150,
    "cet": 60, "cest": 120, "met": 60, "mest": 120, "mez": 60, "mesz": 120, "bst": 60, "west": 60,
    "eet": 120, "eest": 180, "msk": 180, "msd": 240, "trt": 180, "sast": 120, "cat": 120, "eat": 180, "wat": 60,
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


# What most feeds write: RFC 3339 (Atom) and RFC 822 with a year of four digits (RSS 2.0). Both read in a tenth of the
# time that a search for a date takes.
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)
_RFC_822 = re.compile(
    r"(?:[A-Z][a-z]{2}, )?(\d\d?) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) (?:GMT|([+-])(\d\d)([0-5]\d))", re.ASCII
)
_FARTHEST = timedelta(hours=14)  # no place is farther from UTC


def read_usual(raw: str) -> datetime | None:
    """Return the time, in its own offset, that a date in one of the two usual forms means; None: it has another form.

    >>> read_usual("Fri, 11 Nov 2022 10:43:00 +0100").isoformat(), read_usual("11.11.2022")
    ('2022-11-11T10:43:00+01:00', None)
    """
    try:
        if match := _RFC_3339.fullmatch(raw):
            at = datetime.fromisoformat(match[1] + match[2])
        elif (match := _RFC_822.fullmatch(raw)) and (month := _MONTHS.get(match[2].lower())):
            day, year, hour, minute, second = map(int, match.group(1, 3, 4, 5, 6))
            shift = int(match[7] + "1") * timedelta(hours=int(match[8]), minutes=int(match[9])) if match[7] else None
            at = datetime(year, month, day, hour, minute, second, tzinfo=timezone(shift) if shift else UTC)
        else:
            return None
    except ValueError:  # the 31st of February, the end of a day
        return None
    return at if abs(at.utcoffset() or timedelta(0)) <= _FARTHEST else None


def parse_date(raw: str, now: datetime) -> datetime | None:
    """Return the time that `raw` means; `None` if it cannot be read without doubt or is not plausible.

    Plausible is 1995 up to two days after `now`.

    >>> now = datetime(2024, 1, 1, tzinfo=UTC)
    >>> parse_date("ven., 11 nov. 2022 10:15:00 CET", now)
    datetime.datetime(2022, 11, 11, 9, 15, tzinfo=datetime.timezone.utc)
    >>> parse_date("02/03/2022", now) is None
    True
    """
    try:
        found = read_usual(raw) or _search(raw, now)
        at = found.astimezone(UTC) if found else None
    except (ValueError, OverflowError):  # the 31st of February, the hour 25
        return None
    return at if at and EARLIEST_AT <= at <= now + LATEST_AHEAD else None


def _search(raw: str, now: datetime) -> datetime | None:
    """Return the time that a date in any other form means."""
    text = _fold(raw)
    return (_read_epoch(text, now) or _read_compact(text) or _read(text)) if text else None


def _fold(raw: str) -> str:
    """Return `raw` in small letters, ASCII digits, without accents and with single blanks."""
    if len(raw) > _MAX_CHARS:
        return ""
    if raw.isascii():
        return " ".join(raw.lower().split())
    text = unicodedata.normalize("NFKD", raw).casefold()
    digits = (str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)
    folded = "".join(c for c in digits if not unicodedata.combining(c))
    folded = unicodedata.normalize("NFKC", folded)
    folded = folded.translate({0x2212: "-", 0x2013: "-", 0x2010: "-", 0x200E: None, 0x200F: None})
    return " ".join(folded.split())


def _read_epoch(text: str, now: datetime) -> datetime | None:
    """Read seconds, or thousandths and smaller parts, since 1970."""
    if not (match := _EPOCH.fullmatch(text)):
        return None
    number = int(match.group(1))
    for unit in (1, 1000, 10**6, 10**9):
        at = datetime.fromtimestamp(number // unit, UTC) if number // unit < 10**11 else None
        if at and EARLIEST_AT <= at <= now + LATEST_AHEAD:
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


def _read(text: str) -> datetime | None:
    """Read a date with an optional time and zone around it."""
    text = _BRACKETS.sub(" ", text) if _has_zone_before_brackets(text) else text.translate(_NO_BRACKETS)
    for pattern, replacement in _LONG_MONTHS:
        text = pattern.sub(replacement, text)
    text = _DOTTED_TIME.sub(_with_colons, text)
    time = _TIME.search(text) or _HOUR_ONLY.search(text)
    if time is None:
        day, zone = _AFTER_DAY.sub("", text), _zone_after_day(text)
        date = _read_day(day, american=False)
    else:
        before, zone = text[: time.start()], text[time.end() :]
        american = bool(_AMERICAN & set(_TOKEN.findall(zone)))
        date = _read_day(before.rstrip(" t,"), american=american)
        if date is None:  # the year after the zone (asctime), or the whole date after the time
            date, zone = _read_day_around(before, zone)
    return _in_zone(date + _clock(time), zone.strip(), korean="오" in text) if date else None


_NO_BRACKETS = str.maketrans("()[]", "    ")
_AFTER_DAY = re.compile(r"(?<=\d{4}-\d\d-\d\d)\s?(z|[+-]\d\d:?\d\d)$")
# "2022-11-11T0915Z", "2022-11-11T09", "11 Nov 2022 09.15.00"
_DOTTED_TIME = re.compile(
    r"(?<=\dt)(\d\d)(\d\d)?(\d\d)?(?=z|[+-]|$)|(?<=\d{4}[ ,])\s?(\d{1,2})\.(\d\d)(?:\.(\d\d))?(?![\d.])"
)
_AMERICAN = frozenset({"est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "et", "ct", "mt", "pt"})


def _with_colons(match: re.Match[str]) -> str:
    parts = [part for part in match.groups() if part]
    return " " + ":".join(parts if len(parts) > 1 else [*parts, "00"])


def _has_zone_before_brackets(text: str) -> bool:
    """Tell whether the brackets only explain an offset: `+0100 (CET)`, `+01:00[Europe/Berlin]`."""
    start = min((i for i in (text.find("("), text.find("[")) if i >= 0), default=-1)
    return start >= 0 and bool(re.search(r"(?:[+-]\d\d:?\d\d|\bgmt|\butc|z)\s?$", text[:start]))


def _zone_after_day(text: str) -> str:
    match = _AFTER_DAY.search(text)
    return match.group(1) if match else ""


def _clock(time: re.Match[str] | None) -> timedelta:
    """Return the time of day; 24:00 is the end of the day, a leap second the one before it."""
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


def _read_day_around(before: str, after: str) -> tuple[datetime | None, str]:
    """Read a date whose year stands behind the time, or that stands behind it as a whole; and what is left."""
    if (year := _YEAR.search(after)) and (after[: year.start()] + " ")[-1] in " ," and before.strip():
        rest = after[: year.start()] + after[year.end() :]
        return _read_day(f"{before} {year.group()}", american=False), rest
    return (None, "") if before.strip() else (_read_day(after, american=False), "")


def _read_day(text: str, *, american: bool) -> datetime | None:
    """Read the day alone; `american` puts the month first in 1/2/2022."""
    for pattern in (_WEEK, _ORDINAL):
        if match := pattern.fullmatch(text):
            return _read_numbered_day(match, week=pattern is _WEEK)
    if (match := _YMD.search(text)) and _is_only_date(match, text):
        year, month, day = match.groups()
        if len(month) == 3 and not month.startswith("0"):
            return None
        return datetime(int(year), int(month), int(day or 1))  # noqa: DTZ001  the zone follows
    if (match := _DMY.search(text)) and _is_only_date(match, text):
        return _read_slashed_day(match, american=american)
    if re.fullmatch(r"\d{4}", text):
        return datetime(int(text), 1, 1)  # noqa: DTZ001  the zone follows
    return _read_named_day(text)


def _read_numbered_day(match: re.Match[str], *, week: bool) -> datetime:
    if week:
        return datetime.fromisocalendar(int(match[1]), int(match[2]), int(match[3] or 1))
    day = datetime(int(match[1]), 1, 1) + timedelta(days=int(match[2]) - 1)  # noqa: DTZ001  the zone follows
    if day.year != int(match[1]):
        raise ValueError("no day of the year")
    return day


def _is_only_date(match: re.Match[str], text: str) -> bool:
    """Tell whether no other number stands around a date of numbers."""
    around = _TOKEN.findall(text[: match.start()] + " " + text[match.end() :])
    return not any(token.isdecimal() for token in around)


def _read_slashed_day(match: re.Match[str], *, american: bool) -> datetime | None:
    """Read 25.12.2022 and 12/25/2022; with a dot the day comes first, else only one order must be possible."""
    first, second, year = int(match[1]), int(match[3]), _full_year(match[4])
    if american and match[2] == "/" and first <= 12:
        return datetime(year, first, second)  # noqa: DTZ001  the zone follows
    if match[2] == "." or first > 12 or first == second:
        return datetime(year, second, first)  # noqa: DTZ001  the zone follows
    return datetime(year, first, second) if second > 12 else None  # noqa: DTZ001  the zone follows


def _read_named_day(text: str) -> datetime | None:
    """Read a day with the name of its month: 11 Nov 2022, November 11th, 2022, 11-Nov-22, Nov 2022."""
    tokens = _TOKEN.findall(text)
    months = [i for i, token in enumerate(tokens) if token in _MONTHS]
    numbers = [i for i, token in enumerate(tokens) if token.isdecimal()]
    if not months or not 1 <= len(numbers) <= 2 or len(tokens) - 1 - len(numbers) > _MAX_STRANGE_WORDS:
        return None
    # "mar., 06 dec. 2022": Tuesday. The name after a number is the month, the one before it may be a weekday.
    behind = [i for i in months if i > numbers[0]]
    month = _MONTHS[tokens[(behind or months)[0 if behind else -1]]]
    digits = [tokens[i] for i in numbers]
    if len(digits) == 1:
        return datetime(int(digits[0]), month, 1) if len(digits[0]) == 4 else None  # noqa: DTZ001
    day, year = (digits[1], digits[0]) if len(digits[0]) == 4 else (digits[0], digits[1])
    return datetime(_full_year(year), month, int(day))  # noqa: DTZ001  the zone follows


def _full_year(digits: str) -> int:
    """Return the year; two digits are 1969 to 2068 (POSIX strptime)."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 69 else 1900)
    if len(digits) != 4:
        raise ValueError("no year")
    return year


def _in_zone(local: datetime, zone: str, *, korean: bool = False) -> datetime | None:
    """Return `local` in the zone that a text names; `None` for an unknown name. No zone is UTC."""
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
    """Return the zone of an IANA name in any case (the database has `America/Port_of_Spain`)."""
    name = "/".join("_".join(_capital(word) for word in part.split("_")) for part in place.split("/"))
    try:
        return ZoneInfo(name.replace("Gmt", "GMT")) if name else None
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return None


def _capital(word: str) -> str:
    return word if word in {"of", "es", "au"} else word.capitalize()
