from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.json_repair import find_json, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('{"a": 1}', 0),
        ("[1]", 0),
        ('Warning: foo() in {/srv/x.php}\n{"a": 1}', 31),
        ('while(1);{"a": 1}', 9),
        ("nothing { here }", None),
        ('{}&& {"a": 1}', 5),
        (" { } && [1]", 8),
        ('// "made" {by} hand\n{ /* one */ // two\n "a": 1}', 20),
        ("{} && nothing", None),
        ("", None),
    ],
)
def test_where_a_document_starts(text: str, start: int | None) -> None:
    assert find_json(text) == start


def test_a_document_behind_the_end_is_not_found() -> None:
    assert find_json('<rss>{"a": 1}</rss>', end=0) is None


@pytest.mark.parametrize(
    ("text", "value", "complete"),
    [
        ('{"a": 1} <!-- made in 0.2 s -->', {"a": 1}, True),
        ('{"a": 1}\0\0', {"a": 1}, True),
        ('{"a": [1, 2,], }', {"a": [1, 2]}, True),
        ('{/* one */ "a": 1, // two\n "b": 2 <!-- three -->}', {"a": 1, "b": 2}, True),
        ('{"a": "// no, /* comment */ ,}",}', {"a": "// no, /* comment */ ,}"}, True),
        ('{"a": 1, "b": [{"c": 1}, {"c": 2}, {"c"', {"a": 1, "b": [{"c": 1}, {"c": 2}]}, False),
        ('{"a": 1, "b": [{"c": [1, 2', {"a": 1}, False),
        ('{"a": 1, "b": "cut, off', {"a": 1}, False),
        ('{"a": 1, "b": /* cut', {"a": 1}, False),
        ('{"a": [1, 2}, "b": 3}', {"a": [1]}, False),
        ('{"a": [{"b": 1}]', {"a": [{"b": 1}]}, False),
        ('{"a": 1\0, "b": 2,}', {"a": 1, "b": 2}, True),
        ('{"a": [{"b": 1} {"b": 2}] "c": 3}', {"a": [{"b": 1}, {"b": 2}], "c": 3}, True),
        ('{,"a": [,1,,2],,"b": 3}', {"a": [1, 2], "b": 3}, True),
        (r'{"a": "it\'s \x \"q\" \u00e4 \n",}', {"a": 'it\'s x "q" ä \n'}, True),
        (
            '{"a": undefined, "b": [None, True, False], "c": "None",}',
            {"a": None, "b": [None, True, False], "c": "None"},
            True,
        ),
    ],
)
def test_repairs(text: str, value: object, complete: bool) -> None:
    assert read_json(text) == (value, complete)


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "}", '{"a" 1 "b"}'])
def test_what_cannot_be_repaired(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


@given(VALUES, st.sampled_from(["", " ", "\0", "<!-- x -->", "// x", "]}"]))
def test_a_whole_document_reads_the_same_whatever_follows(value: object, junk: str) -> None:
    if isinstance(value, list | dict):
        assert read_json(json.dumps(value) + junk) == (value, True)


@given(st.lists(VALUES, min_size=1, max_size=5), st.data())
def test_a_cut_document_gives_a_start_of_its_items(items: list[object], data: st.DataObject) -> None:
    text = json.dumps({"title": "t", "items": items})
    cut = data.draw(st.integers(text.index("[") + 1, len(text) - 1))
    found, complete = read_json(text[:cut])
    assert isinstance(found, dict)
    assert not complete
    assert found["title"] == "t"
    kept = found.get("items", [])
    assert kept == items[: len(kept)]
