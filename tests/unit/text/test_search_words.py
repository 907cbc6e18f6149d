"""The words of a text and of a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.text.search_words import find_places, fold, index_words, mark, read_query, snippet

SCRIPTS = st.text(alphabet="ab É\u0301 ß_-'\"*\u00ad\u200b隧道修好グﾋﾟアノอุโมงค์ខ្មែរမြန်မာລາວкй한국שָׁمُ 12", max_size=40)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The king's room_2", ["the", "king", "s", "room", "2"]),
        ("Ünter\u00adneh\u200bmen", ["unternehmen"]),
        ("e\u0301te\u0301 été", ["ete", "ete"]),
        ("İstanbul", ["istanbul"]),
        ("العَرَبِيَّة", ["العربية"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("隧", ["隧"]),
        ("隧道口", ["隧道", "道口", "口"]),
        ("第3届", ["第", "3", "届"]),
        ("が か\u3099 ｶﾞ", ["が", "が", "ガ"]),
        ("𠀀𠀁", ["𠀀𠀁", "𠀁"]),
        ("x" * 100, ["x" * 64]),
        ("é" * 100, ["e" * 64]),
        ("隧" + "x" * 100, ["隧", "x" * 64]),
        ("", []),
        ("… — \u0301", ["\u0301"][:0]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert index_words(text) == words


def occurs(query: str, text: str) -> bool:
    """Search as the databases do."""
    words = index_words(text)
    for term in read_query(query).terms:
        size = len(term.words)
        for start in range(len(words) - size + 1):
            found = tuple(words[start : start + size])
            if found[:-1] == term.words[:-1] and (
                found[-1].startswith(term.words[-1]) if term.is_prefix else found[-1] == term.words[-1]
            ):
                break
        else:
            return False
    return True


@given(SCRIPTS)
def test_a_text_is_found_by_itself(text: str) -> None:
    assert occurs(text, text)
    assert occurs(f'"{text.replace(chr(34), " ")}"', text.replace('"', " "))


@given(st.text(alphabet="隧道修好グランอุโมงค์", min_size=1, max_size=20), st.data())
def test_each_part_of_an_unspaced_run_is_found_and_nothing_else(run: str, data: st.DataObject) -> None:
    folded = fold(run)
    start = data.draw(st.integers(0, len(folded) - 1))
    end = data.draw(st.integers(start + 1, len(folded)))
    assert occurs(folded[start:end], run)
    other = data.draw(st.text(alphabet="隧道修好", min_size=1, max_size=3))
    assert occurs(other, run) == (other in folded)


@given(st.text())
def test_any_text_has_words_without_blanks_or_quotes(text: str) -> None:
    for word in index_words(text):
        assert word
        assert not set(word) & set(" '\"\\\t\n_")
        assert index_words(word)[0] == word


@given(SCRIPTS, SCRIPTS)
def test_marked_pieces_are_the_text(text: str, query: str) -> None:
    pieces = mark(text, read_query(query))
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece for piece, _ in pieces)


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("unternehmen", "Unter\u00adnehmen, Unternehmens", ["Unter\u00adnehmen"]),
        ("unter*", "Unter\u00adnehmen, unten", ["Unter\u00adnehmen"]),
        ("手机", "iPhone手机机", ["手机"]),
        ("iphone", "iPhone手机", ["iPhone"]),
        ("iph*", "iPhone手机", ["iPhone"]),
        ("ピアノ", "グランドﾋﾟｱﾉ", ["ﾋﾟｱﾉ"]),
        ("隧道 道口", "隧道口", ["隧道口"]),
        ("ss", "Straße ss", ["ss"]),
        ("北", "iPhone手机", []),
    ],
)
def test_places(query: str, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in find_places(text, read_query(query))] == found


def test_a_snippet_is_a_line_around_the_first_match() -> None:
    text = "word " * 100 + "\n\nstorm " + "word " * 100
    pieces = snippet(text, read_query("storm"))
    assert pieces[0] == ("… ", False)
    assert pieces[-1] == (" …", False)
    assert [piece for piece, matches in pieces if matches] == ["storm"]
    assert "\n" not in "".join(piece for piece, _ in pieces)
    assert len("".join(piece for piece, _ in pieces)) < 260
    assert snippet("一" * 500 + "隧道", read_query("隧道"))[-1] == ("隧道", True)
    assert snippet("一" * 500, read_query("隧道")) == (("一" * 240, False), (" …", False))
