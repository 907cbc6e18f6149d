"""The text format of seeds: render, and what deviates."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.text.seed_format import (
    Deviation,
    check,
    is_date,
    render,
    render_body,
    render_markdown,
)

SEED = Path(__file__).parents[3] / "seeds" / "000_140eb00cdc832ed0.txt"

dates = st.dates().map(str) | st.dates().map(lambda day: str(day)[:7]) | st.dates().map(lambda day: str(day)[:4])


def test_layouts() -> None:
    assert render("  1. Skip", "2022-11-11") == " date 2022-11-11   1. Skip"
    assert render_body("Title", "One.\n\nTwo.", "2022-11") == " date 2022-11 Title\n\nOne.\n\nTwo."
    assert render_body("", "One.", "") == "One."


@pytest.mark.parametrize(
    ("date", "valid"),
    [
        ("2022-11-11", True),
        ("2022-11", True),
        ("2022", True),
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("2022-13", False),
        ("0000", False),
        ("22-11-11", False),
        ("2022-11-11T10:00", False),
        ("２０２２", False),
        ("", False),
    ],
)
def test_dates(date: str, valid: bool) -> None:
    assert is_date(date) is valid


def test_the_seed_is_in_the_format() -> None:
    data = SEED.read_bytes()
    assert check(data) == ()
    assert data.startswith(render("  1. Skip to content\n", "2022-11-11").encode())


@pytest.mark.parametrize(
    ("data", "deviations"),
    [
        (b" date 2022-11-11 text\n", ()),
        (b" date 2022 text\r \n", (Deviation(1, 16, "carriage return; lines end with LF"),)),
        (b" date 2022-02-30 text\n", (Deviation(1, 7, "2022-02-30 is no day of the calendar"),)),
        (b" date 2022-11-11 \n", (Deviation(1, 18, "there is no text after the envelope"),)),
        (b"date 2022-11-11 text\n", (Deviation(1, 1, 'the envelope is " date YYYY-MM-DD ", with single spaces'),)),
        (b" date  2022-11-11 text\n", (Deviation(1, 7, 'the envelope is " date YYYY-MM-DD ", with single spaces'),)),
        (b" date 2022-11-11\n", (Deviation(1, 17, 'the envelope is " date YYYY-MM-DD ", with single spaces'),)),
        (b" Date 11.11.2022 x\n", (Deviation(1, 7, "'11.11.2022' is no date as YYYY-MM-DD, YYYY-MM or YYYY"),)),
        (b"text\n", (Deviation(1, 1, 'no envelope; a document begins with " date YYYY-MM-DD "'),)),
        (b" date 2022-11-11 a\n\nb", (Deviation(3, 2, "the file does not end with LF"),)),
        (b" date 2022-11-11 a\nb\xffc\n", (Deviation(2, 2, "byte 0xff is not UTF-8"),)),
        (b" date 2022-11-11 a\nb\0c\n", (Deviation(2, 2, "control character U+0000"),)),
        (
            b"\xef\xbb\xbf date 2022 x\n",
            (
                Deviation(1, 1, 'the envelope is " date YYYY-MM-DD ", with single spaces'),
                Deviation(1, 1, "byte order mark"),
            ),
        ),
        (
            b"",
            (
                Deviation(1, 1, 'no envelope; a document begins with " date YYYY-MM-DD "'),
                Deviation(1, 1, "the file does not end with LF"),
            ),
        ),
    ],
)
def test_what_deviates_and_where(data: bytes, deviations: tuple[Deviation, ...]) -> None:
    assert check(data) == deviations


@given(st.binary())
def test_check_never_raises(data: bytes) -> None:
    check(data)
    check(b" date 2022-11-11 " + data)


@given(st.text(alphabet=st.characters(exclude_categories=["C"])).filter(str.strip), dates)
def test_what_is_rendered_is_in_the_format(text: str, date: str) -> None:
    assert check(f"{render(text, date)}\n".encode()) == ()


def test_the_markdown_layout_has_the_title_as_a_heading() -> None:
    assert render_markdown("Title", "*Text*", "2026-11-30") == " date 2026-11-30 # Title\n\n*Text*"
    assert render_markdown("", "*Text*", "") == "*Text*"
