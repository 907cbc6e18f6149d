from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.text.dates import EARLIEST_AT, LATEST_AHEAD, parse_date

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MORNING = "2022-11-11T09:15:00"


@pytest.mark.parametrize(
    "raw",
    [
        "2022-11-11T09:15:00Z",
        "2022-11-11t09:15:00z",
        "2022-11-11T09:15Z",
        "2022-11-11 09:15",
        "2022-11-11 09:15:00 UTC",
        "2022-11-11T09:15:00.123456789Z",
        "2022-11-11T09:15:00,5Z",
        "2022-11-11T10:15:00+01:00",
        "2022-11-11T10:15:00 +0100",
        "2022-11-11T10:15:00+01",
        "2022-11-11T10:15:00+01:00[Europe/Berlin]",
        "2022-11-11T14:45:00+05:30",
        "2022/11/11 09:15:00",
        "2022.11.11 09:15",
        "20221111T091500Z",
        "20221111091500",
        "2022-11-11T9:15:00 AM",
        "2022-315T09:15:00Z",
        "2022-W45-5 09:15",
        "11.11.2022 09:15",
        "11.11.2022, 09:15 Uhr",
        "11/11/2022 09:15",
        "Fri, 11 Nov 2022 09:15:00 GMT",
        "Fri, 11 Nov 2022 09:15:00 +0000",
        "Fri, 11 Nov 2022 09:15:00 +0000 (UTC)",
        "Fri, 11 Nov 2022 10:15:00 +0100 (CET)",
        "Fri, 11 Nov 2022 10:15:00 (CET)",
        "Fri, 11 Nov 2022 10:15:00 CET",
        "Fri, 11 Nov 2022 11:15:00 CEST",
        "Fri, 11 Nov 2022 18:15:00 JST",
        "Fri, 11 Nov 2022 04:15:00 EST",
        "Fri, 11 Nov 2022 04:15:00 ET",
        "Fri, 11 Nov 2022 10:15:00 Europe/Berlin",
        "Fri, 11 Nov 2022 01:15:00 america/los_angeles",
        "Fri, 11 Nov 2022 11:15:00 GMT+2",
        "Fri, 11 Nov 2022 11:15:00 UTC +02:00",
        "Fri, 11 Nov 22 09:15:00 GMT",
        "Mon, 11 Nov 2022 09:15:00 GMT",
        "Friday, November 11th, 2022 9:15 a.m.",
        "Nov 11, 2022 09:15:00 AM",
        "November 11, 2022, 4:15 am EST",
        "Fri Nov 11 09:15:00 2022",
        "Fri Nov 11 09:15:00 UTC 2022",
        "Fri Nov 11 09:15:00 +0000 2022",
        "11-Nov-2022 09:15",
        "09:15 11 Nov 2022",
        "09:15, 11.11.2022",
        "Fr., 11. November 2022, 10:15 MEZ",
        "ven., 11 nov. 2022 10h15 CET",
        "vendredi 11 novembre 2022 à 09h15",
        "viernes, 11 de noviembre de 2022 09:15",
        "sex, 11 nov 2022 06:15:00 -0300",
        "ven, 11 nov 2022 10:15:00 +0100",
        "пт, 11 ноября 2022 12:15:00 +0300",
        "11 листопада 2022 р., 11:15 EET",
        "11 Kasım 2022 12:15 +03",
        "11 marraskuuta 2022 klo 09:15",
        "Παρασκευή, 11 Νοεμβρίου 2022 09:15",
        "2022年11月11日 09:15",
        "2022年11月11日 上午9:15",
        "2022년 11월 11일 오후 6:15",
        "١١ نوفمبر ٢٠٢٢ ٠٩:١٥",
        "11 تشرين الثاني 2022 09:15",
        "11 tháng 11 2022 09:15",
        "1668158100",
        "1668158100000",
        "1668158100000000",
        "1668158100.0",
    ],
)
def test_spellings_of_one_moment(raw: str) -> None:
    at = parse_date(raw, NOW)
    assert at is not None
    assert at.replace(microsecond=0, tzinfo=None).isoformat() == MORNING


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("Fri, 11 Nov 2022 10:00:00 PM", "2022-11-11T22:00:00"),
        ("Fri, 11 Nov 2022 12:00 AM", "2022-11-11T00:00:00"),
        ("Fri, 11 Nov 2022 12:00 pm", "2022-11-11T12:00:00"),
        ("Nov 11 2022 5pm", "2022-11-11T17:00:00"),
        ("2022/11/11", "2022-11-11T00:00:00"),
        ("2022-11-11Z", "2022-11-11T00:00:00"),
        ("2022-11-11+01:00", "2022-11-10T23:00:00"),
        ("2022-11", "2022-11-01T00:00:00"),
        ("2022", "2022-01-01T00:00:00"),
        ("November 2022", "2022-11-01T00:00:00"),
        ("2022-W45", "2022-11-07T00:00:00"),
        ("25.12.2022", "2022-12-25T00:00:00"),
        ("12/25/2022", "2022-12-25T00:00:00"),
        ("25/12/2022", "2022-12-25T00:00:00"),
        ("mar., 06 déc. 2022 12:00:00 +0100", "2022-12-06T11:00:00"),
        ("11/12/2022 3:04:05 PM EST", "2022-11-12T20:04:05"),
        ("13/12/2022 10:00 EST", "2022-12-13T15:00:00"),
        ("Mon, 02 Jan 2006 15.04.05 GMT", "2006-01-02T15:04:05"),
        ("2022-03-02T10", "2022-03-02T10:00:00"),
        ("2022-03-02T1015Z", "2022-03-02T10:15:00"),
        ("Tue, 1 Mar 2022 09:15:00 GMT", "2022-03-01T09:15:00"),
        ("2022-11-11T24:00:00Z", "2022-11-12T00:00:00"),
        ("2022-06-30T23:59:60Z", "2022-06-30T23:59:59"),
        ("Fri, 15 Jul 2022 09:15 ET", "2022-07-15T13:15:00"),
        ("Fri, 15 Jul 2022 09:15 BST", "2022-07-15T08:15:00"),
        ("Fri, 15 Jul 2022 09:15 Etc/GMT+2", "2022-07-15T11:15:00"),
        ("2004-05-25 오전 01:23:17", "2004-05-24T16:23:17"),
    ],
)
def test_moments(raw: str, wanted: str) -> None:
    at = parse_date(raw, NOW)
    assert at is not None
    assert at.replace(tzinfo=None).isoformat() == wanted


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "yesterday",
        "never 2022",
        "02/03/2022",  # which is the month?
        "2-3-2022",
        "11 listopada 2022",  # October or November
        "Fri, 11 Nov 2022 09:15:00 XYZ",
        "Fri, 11 Nov 2022 09:15:00 Mars/Base",
        "Fri, 11 Nov 2022 09:15:00 +2500",
        "Fri, 11 Nov 2022 09:15:00 +0199",
        "2022-11-11T25:00:00Z",
        "2022-11-11T24:00:01Z",
        "20221111T250000",
        "2022-13-11",
        "2022-02-31",
        "31 Feb 2022",
        "2022-366",
        "2022-366T00:00Z",
        "2022-115-11",
        "11 November",
        "November 11",
        "11 Nov 022",
        "1 Nov 22 2022",
        "00:15 PM 11 Nov 2022",
        "11/12/2022 3:04 PM",
        "15.04.05 11 Nov 2022",
        "one two three four five six 11 Nov 2022",
        "12345678901234567890",
        "99999999999",
        "0000-00-00T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",
        "1991-08-05",
        "1900-01-01",
        "25 listopad 2024",
        "1 lis 2024",
        "31 شهریور 1403 25:00",
        "30 اسفند 1404",
        "5 Nov 1403",
        "32 مهر 1403",
        "5 مهر 2024",
        "11 of of of of of Nov 2022",
        "25 مهر",
        "2026-01-04",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "x" * 200,
    ],
)
def test_what_is_not_sure_is_no_date(raw: str) -> None:
    assert parse_date(raw, NOW) is None


@given(st.text(max_size=120))
def test_no_text_raises_and_nothing_implausible_comes_out(raw: str) -> None:
    at = parse_date(raw, NOW)
    assert at is None or EARLIEST_AT <= at <= NOW + LATEST_AHEAD


MOMENTS = st.datetimes(datetime(1995, 1, 2), datetime(2025, 12, 30), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS)
def test_every_moment_survives_the_usual_formats(at: datetime, zone: timezone) -> None:
    local = at.astimezone(zone)
    formats = ("%Y-%m-%dT%H:%M:%S%z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%Y%m%dT%H%M%S%z")
    for form in (*formats, "%d %B %Y %I:%M:%S %p %z", "%d.%m.%Y %H:%M:%S %z"):
        assert parse_date(local.strftime(form), NOW) == at
    assert parse_date(local.isoformat(), NOW) == at


def two_digits(largest: int) -> st.SearchStrategy[str]:
    return st.integers(0, largest).map("{:02d}".format)


@given(
    st.integers(1990, 2030),
    st.tuples(*map(two_digits, (13, 32, 25, 60, 61))),
    st.tuples(st.sampled_from("+-"), *map(two_digits, (16, 61))),
    st.sampled_from(["", ".5", ".123"]),
)
def test_the_usual_forms_mean_what_a_search_finds_in_them(
    year: int, numbers: tuple[str, ...], zone: tuple[str, ...], fraction: str
) -> None:
    month, day, hour, minute, second = numbers
    sign, hours, minutes = zone
    clock = f"{hour}:{minute}:{second}"
    for offset in ("Z", f"{sign}{hours}:{minutes}"):
        date = f"{year}-{month}-{day}T{clock}{fraction}{offset}"
        assert parse_date(date, NOW) == parse_date(date.lower(), NOW), date  # small letters are no usual form
    name = ("Foo", "Feb", "May", "Dec")[int(month) % 4]
    for offset in ("GMT", f"{sign}{hours}{minutes}"):
        date = f"Fri, {day} {name} {year} {clock} {offset}"
        assert parse_date(date, NOW) == parse_date(date.lower(), NOW), date


@pytest.mark.parametrize("year", range(1995, 2026))
@pytest.mark.parametrize("zone", ["+0100", "-0330", "-0030", "+1400", "+1430", "GMT", "-0000"])
def test_each_month_by_its_name(year: int, zone: str) -> None:
    for month in ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"):
        date = f"Sat, 9 {month} {year} 23:59:00 {zone}"
        assert parse_date(date, NOW) == parse_date(date.lower(), NOW)


@given(MOMENTS)
def test_epochs(at: datetime) -> None:
    seconds = int(at.timestamp())
    if seconds >= 10**9:  # shorter numbers are days as well: 19990101
        assert parse_date(str(seconds), NOW) == at
        assert parse_date(str(seconds * 1000), NOW) == at


# One date in many languages; the words are CLDR's long or short form, or the first letters of one.
@pytest.mark.parametrize(
    "raw",
    [
        "25 ноя 2024",
        "понеделник, 25 ноември 2024 г.",
        "25 лис 2024",
        "25 листопада 2024 р.",
        "lundi 25 novembre 2024",
        "Segunda-feira, 25 de novembro de 2024",
        "maanantai 25. marraskuuta 2024",
        "pirmadienis, 2024 m. lapkričio 25 d.",
        "2024. november 25., hétfő",
        "Δευτέρα 25 Νοεμβρίου 2024",
        "25 Kasım 2024 Pazartesi",
        "25 tháng 11 năm 2024",
        "Th 2, 25 thg 11, 2024",
        "Thứ Hai, 25 tháng 11, 2024",
        "วันจันทร์ที่ 25 พฤศจิกายน พ.ศ. 2567",
        "25 พ.ย. 67",
        "25 พ.ย. 2024",
        "2567-11-25",
        "25/11/2567",
        "नोवेंबर 25, 2024".replace("नोवेंबर", "नवंबर"),
        "25 நவம்பர் 2024",
        "25 నవంబర్ 2024",
        "25 ನವೆಂಬರ್ 2024",
        "25 നവംബർ 2024",
        "25 နိုဝင်ဘာ 2024",
        "25 វិច្ឆិកា 2024",
        "25 ພະຈິກ 2024",
        "25 نوفمبر 2024",
        "25 تشرين الثاني 2024",
        "٢٥ نوفمبر ٢٠٢٤",
        "25 نومبر 2024",
        "دوشنبه ۵ آذر ۱۴۰۳",
        "5 Azar 1403",
        "1403/09/05",
        "25 Novemba 2024",
        "25 Tachwedd 2024",
        "25 Dú Fómhair 2024".replace("Dú Fómhair", "Samhain"),
        "2024年11月25日 星期一",
        "25 қараша 2024",
        "25 նոյեմբերի 2024",
        "25 ნოემბერი 2024",
        "25 ኖቬምበር 2024",
    ],
)
def test_a_date_in_the_publisher_s_language(raw: str) -> None:
    assert parse_date(raw, NOW) == datetime(2024, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "day"),
    [
        ("1 فروردین 1403", (2024, 3, 20)),
        ("30 اسفند 1403", (2025, 3, 20)),
        ("29 اسفند 1402", (2024, 3, 19)),
        ("1 Farvardin 1400", (2021, 3, 21)),
        ("31 شهریور 1399", (2020, 9, 21)),
        ("1404/01/01", (2025, 3, 21)),
        ("11 Tir 1380", (2001, 7, 2)),
    ],
)
def test_days_of_the_persian_calendar(raw: str, day: tuple[int, int, int]) -> None:
    assert parse_date(raw, NOW) == datetime(*day, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["МСК", "мск", "MSK", "+0300"])
def test_the_time_of_moscow(zone: str) -> None:
    assert parse_date(f"25 ноября 2024, 10:00 {zone}", NOW) == datetime(2024, 11, 25, 7, tzinfo=UTC)


def test_no_zone_known_is_utc() -> None:
    assert parse_date("Fri, 11 Nov 2022 10:43:00 -0000", NOW) == datetime(2022, 11, 11, 10, 43, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "language", "month"),
    [
        ("11 listopada 2022", "pl", 11),
        ("11. listopada 2022.", "hr-HR", 10),
        ("11 lip 2022", "PL", 7),
        ("11 November 2022", "pl", 11),
        ("11 Mae 2022", "br", 5),
    ],
)
def test_a_name_of_two_months_counts_in_the_publishers_language(raw: str, language: str, month: int) -> None:
    found = parse_date(raw, NOW, language)
    assert found is not None
    assert (found.day, found.month) == (11, month)


@pytest.mark.parametrize(
    "raw",
    [
        "6 בנובמבר 2022",  # "in November", written together
        "יום שני, 6 בנוב׳ 2022",
        "2022(e)ko azaroaren 6(a)",
        "6ê mijdara 2022an",
        "6ی تشرینی دووەمی 2022",
        "2022 оны арван нэгдүгээр сарын 6",
        "2022 оны 11-р сарын 06",
        "2022 оны 11 сарын 6",
        "6 tháng 11, 2022",
        "Chủ Nhật, 06 tháng 11 năm 2022",
        "6 Mori ghwa ikumi na imweri 2022",  # five words
    ],
)
def test_names_with_particles_and_numbers(raw: str) -> None:
    assert parse_date(raw, NOW) == datetime(2022, 11, 6, tzinfo=UTC)


@pytest.mark.parametrize("raw", ["6 novembers 2022 marketing", "6 marxxx 2022", "6 decxx 2022", "6 thang 13 2022"])
def test_an_ending_needs_a_name_before_it(raw: str) -> None:
    assert parse_date(raw, NOW) in (None, datetime(2022, 11, 6, tzinfo=UTC))
    assert parse_date(raw.replace("novembers", "marxxx"), NOW) is None
