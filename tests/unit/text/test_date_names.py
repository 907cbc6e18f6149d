from __future__ import annotations

import pytest

from aggregator.text.date_names import date_names, fold, words_of
from aggregator.text.tables import read_table


def rows(file: str, kind: str) -> list[list[str]]:
    return [row for group in read_table(file)[kind].values() for row in group.values()]


def test_every_row_of_the_tables_names_a_whole_year_or_week() -> None:
    months = rows("date_names", "months") + rows("more_date_names", "months")
    assert {len(row) for row in months} == {12}
    assert {len(row) for row in rows("date_names", "days")} == {7}


def test_a_name_that_is_two_months_in_two_languages_is_left_out() -> None:
    names = date_names()
    assert {"listopad", "listopada", "lip", "lis", "srp"}.isdisjoint(names.months)
    assert "lis" not in names.starts
    assert (names.months["mar"], names.months["kas"], names.months["out"]) == (3, 11, 10)


def test_a_small_language_takes_no_name_from_another() -> None:
    names = date_names()
    assert names.months.keys().isdisjoint(names.rare_months)
    assert not any(len(name) < 3 and name.isascii() for name in (*names.months, *names.rare_months))


def test_names_of_days_are_known() -> None:
    assert {"monday", "segunda feira", "понедельник", "thu hai"} <= date_names().days


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  25 NOV\t2024 ", "25 nov 2024"),
        ("۲۵ ژوئن", "25 ژوین"),
        ("Août – Straße", "aout - strasse"),
        ("سه\u200cشنبه", "سهشنبه"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


def test_words_keep_the_marks_that_their_script_needs() -> None:
    assert words_of(fold("มี.ค. 25")) != words_of(fold("ม.ค. 25"))


def test_a_language_has_its_own_meaning_of_a_name() -> None:
    names = date_names().by_language
    assert (names["pl"]["listopada"], names["hr"]["listopada"]) == (11, 10)
    assert date_names().most_words >= 5
