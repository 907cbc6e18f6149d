from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.entry_ids import IdRule, Mark, choose_rule, entry_id_of, has_plain_ids


def mark(id: str = "", link: str = "", date: str = "", title: str = "") -> Mark:
    return Mark(id=id, link=link, date=date, title=title)


@pytest.mark.parametrize(
    ("marks", "rule", "stand_in"),
    [
        ([], "link", "link"),
        ([mark("1", "a"), mark("2", "b")], "id", "link"),
        ([mark("1", "a"), mark("1", "a", title="again")], "id", "link"),
        ([mark("1", "a"), mark("1", "b")], "link", "link"),
        ([mark("1", "a"), mark("", "b")], "id", "link"),
        ([mark("1", "a"), mark("", "b", "1"), mark("", "b", "2")], "id", "link+date"),
        ([mark("", "a"), mark("", "b")], "link", "link"),
        ([mark("", "a", "1"), mark("", "a", "1")], "link", "link"),
        ([mark("", "a", "1"), mark("", "a", "2")], "link+date", "link+date"),
        ([mark("", "a", "1", "x"), mark("", "a", "1", "y")], "title+date", "title+date"),
        ([mark("", "", "1", "x"), mark("", "a", "1", "y")], "title+date", "title+date"),
    ],
)
def test_choose_rule(marks: list[Mark], rule: str, stand_in: str) -> None:
    assert choose_rule(marks) == IdRule(rule=rule, stand_in=stand_in)  # type: ignore[arg-type]  # a table of strings


def test_stand_ins() -> None:
    one = mark("1", "https://a.example/", "today", "One")
    assert entry_id_of(one, IdRule(rule="id", stand_in="link")) == "1"
    assert entry_id_of(one, IdRule(rule="link", stand_in="link")) == "https://a.example/"
    assert entry_id_of(one, IdRule(rule="link+date", stand_in="link+date")) == "https://a.example/ today"
    by_title = entry_id_of(one, IdRule(rule="title+date", stand_in="title+date"))
    assert by_title.startswith("title:")
    assert by_title == entry_id_of(mark("2", "b", "today", "One"), IdRule(rule="title+date", stand_in="title+date"))
    assert entry_id_of(mark(title="x"), IdRule(rule="link", stand_in="link")).startswith("title:")


TEXTS = st.sampled_from(["", "a", "b", "c"])
MARKS = st.lists(st.builds(Mark, id=TEXTS, link=TEXTS, date=TEXTS, title=TEXTS), max_size=6)


@given(MARKS)
def test_names_are_never_empty_and_the_order_does_not_matter(marks: list[Mark]) -> None:
    rule = choose_rule(marks)
    assert choose_rule(marks[::-1]) == rule
    assert all(entry_id_of(one, rule) for one in marks)


@given(MARKS)
def test_entries_that_differ_in_link_do_not_share_a_name_by_id_or_link(marks: list[Mark]) -> None:
    rule = choose_rule(marks)
    named = [(entry_id_of(one, rule), one.link) for one in marks if one.id and rule.rule == "id"]
    assert len({name for name, _ in named}) == len(set(named))


@pytest.mark.parametrize(
    ("slices", "plain"),
    [
        ([], True),
        (["<guid>1</guid>", "<guid isPermaLink='false'>2</guid>"], True),
        (["<guid><![CDATA[1]]></guid>", "<id>2</id>"], True),
        (["<GUID>1</GUID>", "<a:id x='y'> 2 </a:id>", "<item rdf:about='3'>"], True),
        (["<guid>1</guid>", "<guid>1</guid>"], False),
        (["<guid>1</guid>", "<link>2</link>"], False),
        (["<guid/>"], False),
        (["<guid></guid><link>x</link>"], False),
    ],
)
def test_plain_ids(slices: list[str], plain: bool) -> None:
    assert has_plain_ids(slices) == plain
