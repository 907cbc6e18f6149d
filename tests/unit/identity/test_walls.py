"""Does a page say its entry's title, and is one document at several addresses a wall?"""

from __future__ import annotations

import pytest

from aggregator.identity.walls import AnnouncedPage, Resemblance, are_versions, compare_title, is_wall, may_be_one

BODY = (
    "The council decided on Monday. The bridge over the harbour is to be repaired for two years, and closed in winter."
)
WALL = "Subscribe now to read all our journalism without limits. Already a subscriber? Sign in."


@pytest.mark.parametrize(
    ("announced", "title", "body", "says"),
    [
        ("", "Subscribe", WALL, "says"),  # the feed has no title: nothing is known
        ("?!", "Subscribe", WALL, "says"),
        ("Council repairs bridge", "Council repairs bridge", "", "says"),
        ("Council repairs bridge", "COUNCIL REPAIRS BRIDGE - The Example", "", "says"),
        ("Council repairs bridge", "Council repairs bridge, closed in winter", "", "says"),
        ("Council repairs bridge", "News", "Live: council repairs bridge. Museum opens.", "says"),
        ("Harbour bridge to be closed", "News", BODY, "echoes"),  # "closed" alone would be too little
        ("Harbour bridge repaired", "News", BODY, "echoes"),
        ("Festival opens quietly", "Subscribe", WALL, "nothing"),
        ("Subscribe", "Sign in", WALL, "echoes"),  # one word in a text says little
        ("Part 17", "Part 18", "Part of it", "echoes"),
        ("A to B", "Of us", "It is so", "nothing"),
        ("日本の議会が橋を修理する", "議会が橋を修理する", "", "says"),
        ("日本の議会が橋を修理する", "会員限定", "この記事は会員限定です。", "nothing"),
        ("日", "日", "", "says"),
    ],
)
def test_how_much_of_its_title_a_page_says(announced: str, title: str, body: str, says: str) -> None:
    assert compare_title(announced, title, body) is Resemblance(says)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("Storm kills two", "Storm kills three", True),
        ("Storm kills two", "Storm kills two in the north of the country", False),
        ("Storm: 2 dead", "Storm: 3 dead", False),
        ("Weather for Monday", "Weather for Monday!", True),
    ],
)
def test_versions_of_a_headline(one: str, other: str, verdict: bool) -> None:
    assert are_versions(one, other) is are_versions(other, one) is verdict


@pytest.mark.parametrize(
    ("announced", "verdict"),
    [
        ([], False),
        ([["Storm kills two"]], False),
        ([["Storm kills two"], ["Parliament votes"]], True),
        ([["Storm kills two"], ["", "?"]], False),
        ([["Storm kills two", "Parliament votes"], ["Parliament votes"]], False),
        ([["A storm kills two"], ["Storm kills two people"], ["Storm kills many people now"]], False),
        ([["Storm kills many people now"], ["A storm kills two"], ["Storm kills two people"]], False),
    ],
)
def test_one_document_under_different_titles_is_a_wall(announced: list[list[str]], verdict: bool) -> None:
    assert is_wall(announced) is verdict


def page(announced: str, title: str = "", body: str = WALL) -> AnnouncedPage:
    return AnnouncedPage(announced=frozenset({announced}), title=title or announced, body=body)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (page("Storm kills two"), page("storm kills two!", "Another title"), True),
        (page("?"), page("Storm kills two"), True),  # nothing is known
        (page("Storm kills two"), page("Parliament votes"), False),  # each repeats the title that was asked for
        (page("Storm kills two", "Live", BODY), page("Council repairs bridge", "Live", "Storm kills two."), True),
        (page("Storm kills two"), page("Two dead in the north", "Storm kills two"), True),  # two headlines, one page
        (page("Storm kills two", "Storm kills five"), page("Storm kills three", "Storm kills five"), True),
        (page("Storm kills two"), page("Storm kills three"), False),  # titles of one form, repeated
        (page("Weather for Monday", "Subscribe"), page("Weather for Tuesday", "Subscribe"), False),
        (page("Weather for Monday", "Sky"), page("Parliament votes on Monday", "Sky"), False),
        (page("Storm", "Live", "Storm."), page("Parliament votes", "Live", "Storm."), False),  # a word says little
    ],
)
def test_pages_under_other_titles_that_may_be_one_article(
    one: AnnouncedPage, other: AnnouncedPage, verdict: bool
) -> None:
    assert may_be_one(one, other) is may_be_one(other, one) is verdict
