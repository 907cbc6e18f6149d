"""Names of furniture: whole words, the last one that says anything; and blocks by the names around them."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.body.blocks import blocks_of
from aggregator.extraction.body.furniture import is_furniture, without_furniture


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ('class="newsletter"', True),
        ('class="c-newsletter__title"', True),
        ('class="share-buttons"', True),
        ('id="relatedLinks"', True),
        ('class="share-price"', False),
        ('class="shareholders unrelated commentary"', False),
        ('class="box list"', False),
        ("", False),
    ],
)
def test_a_name_counts_by_its_last_word(names: str, *, expected: bool) -> None:
    (block,) = blocks_of(document_fromstring(f"<html><body><main><div><p {names}>Text</p></div></main></body></html>"))
    assert is_furniture(block) == expected


def test_the_names_of_two_elements_around_count_and_no_more() -> None:
    near, far = (
        blocks_of(document_fromstring(f'<html><body><div class="newsletter">{inner}</div></body></html>'))[0]
        for inner in ("<div><p>Text</p></div>", "<div><div><p>Text</p></div></div>")
    )
    assert is_furniture(near)
    assert not is_furniture(far)
    (top,) = blocks_of(document_fromstring("<html><body>Text</body></html>"))
    assert not is_furniture(top)


def test_furniture_goes_unless_it_is_much_of_the_text() -> None:
    story = "<p>The council decided that the bridge over the river will be closed.</p>"
    blocks = blocks_of(document_fromstring(f'<html><body>{story * 3}<p class="promo">Read more</p></body></html>'))
    assert without_furniture(blocks, {0, 1, 2, 3}) == {0, 1, 2}
    assert without_furniture(blocks, {3}) == {3}
