"""Names out of bylines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.metadata.bylines import persons_of


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        (["Ada Lovelace"], ("Ada Lovelace",)),
        (["By Ada Lovelace"], ("Ada Lovelace",)),
        (["Von Nina Maler"], ("Nina Maler",)),
        (["Von Trapp"], ("Von Trapp",)),
        (["Author: Ada Lovelace"], ("Ada Lovelace",)),
        (["written by Ada Lovelace"], ("Ada Lovelace",)),
        (["Ada Lovelace and Charles Babbage"], ("Ada Lovelace", "Charles Babbage")),
        (["Ada Lovelace, Charles Babbage und Mary Somerville"], ("Ada Lovelace", "Charles Babbage", "Mary Somerville")),
        (["Ada Lovelace; Charles Babbage | Mary"], ("Ada Lovelace", "Charles Babbage", "Mary")),
        (["Ludwig van Beethoven, Carl von Linné"], ("Ludwig van Beethoven", "Carl von Linné")),
        (["Jonas Petraitis, teisės fakulteto profesorius"], ("Jonas Petraitis",)),
        (["Trinidad and Tobago Newsday"], ("Trinidad and Tobago Newsday",)),
        (["By Editor"], ("Editor",)),
        (["Mac & i"], ("Mac & i",)),
        (["Ada Lovelace and Editor"], ("Ada Lovelace",)),
        (["AFP, MANILA"], ("AFP, MANILA",)),
        (["dpa"], ("dpa",)),
        (["Ada Lovelace (Rome)", "ada lovelace"], ("Ada Lovelace",)),
        (["https://example.org/ada", "ada@example.org", "@ada", "", " "], ()),
        (["The Times", "THE TIMES."], ()),
        (["松岡大地"], ("松岡大地",)),
        (["松岡大地、大渡美咲"], ("松岡大地", "大渡美咲")),
        (["x" * 200], ()),
        (["Kirjoittaja: Aino Virtanen"], ("Aino Virtanen",)),
        (["Reporter Aino Virtanen"], ("Aino Virtanen",)),
        (["Aino Virtanen reporter"], ("Aino Virtanen",)),
        (["Teksti: Aino Virtanen"], ("Aino Virtanen",)),
        (["文＝小林春子"], ("小林春子",)),
        (["Napisała Zofia Wrzosek"], ("Zofia Wrzosek",)),
        (["Tác giả: Nguyễn Thị Hoa"], ("Nguyễn Thị Hoa",)),
        (["Fact check: who pays?"], ("Fact check: who pays?",)),
        (["Aino Virtanen ja Matti Järvi"], ("Aino Virtanen", "Matti Järvi")),
        (["Jana Malá a Petr Velký"], ("Jana Malá", "Petr Velký")),
        (["Known As A Professional"], ("Known As A Professional",)),
        (["Ayşe Yıldız | Muhabir"], ("Ayşe Yıldız",)),
        (["Staff reporter"], ("Staff reporter",)),
    ],
)
def test_names(statements: list[str], names: tuple[str, ...]) -> None:
    assert persons_of(statements, "The Times") == names


@given(st.lists(st.text()))
def test_names_are_found_again_in_what_was_found(statements: list[str]) -> None:
    names = persons_of(statements)
    assert all(name.strip() == name and name for name in names)
