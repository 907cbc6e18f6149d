"""Words of texts in any script."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.text.words import count_unspaced, count_words

WORD = re.compile(r"\w+(?:['’.\-]\w+)*")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("'a' -b- .c.", 3),
        ("U.S.A. rock-'n'-roll x--y", 6),
        ("Это не сон", 3),
        ("“Ça, c’est l’été” – 5²", 4),
        ("我们今天去学校。", 4),
        ("中 word 中", 2),
    ],
)
def test_words_are_counted(text: str, words: int) -> None:
    assert count_words(text) == words


@given(st.text(st.sampled_from("ab é’'.-_ \n“—9²\x81Ж")))
def test_both_ways_of_counting_agree(text: str) -> None:
    assert count_words(text) == len(WORD.findall(text))


def test_signs_without_blanks_are_counted() -> None:
    assert count_unspaced("中a文") == 2
