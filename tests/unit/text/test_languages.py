"""Language tags, and texts that contradict them."""

from __future__ import annotations

import pytest

from aggregator.text.languages import is_nearer, language_of, language_tag

ENGLISH = """
The harbour of the small town was built by fishermen who came from the north about three hundred years ago, and for most
of that time it changed very little. Boats went out before dawn and came back with the tide; what they brought was sold
on the quay, salted in the sheds behind it, or carried over the hills to the market. When the railway arrived, the fish
could be in the capital on the next morning, and the families who owned more than one boat became rich enough to build
houses with slate roofs and gardens. The others went on as before. Nobody thought of the beach as anything but a place
where nets were dried, until a doctor wrote in a newspaper that the air was good for weak lungs. In the following summer
there were visitors in every spare room, and within ten years there were three hotels, a theatre and a pier with a brass
band. The fishermen complained about the noise, but their sons found work as waiters, and their daughters learned to
speak with the ladies from the city. Today the hotels are flats, the theatre shows films, and the council is asking the
government for money to repair the sea wall, which was damaged in the storms of last winter. An engineer who looked at
it said that it would cost less to move the road than to save it. There will be a vote about that in the spring, and it
is hard to find anyone in the town who does not have an opinion about how it should go.
"""


@pytest.mark.parametrize(
    ("text", "stated", "language"),
    [
        (ENGLISH, "en-US", "en-US"),
        (ENGLISH, "", "en"),
        (ENGLISH, "ru", "en"),
        (ENGLISH, "zu", "zu"),
        (ENGLISH[:450], "ru", "ru"),
        (ENGLISH[:450], "", "en"),
        (ENGLISH, "nb-NO", "en"),
        ("Short text.", "de", "de"),
        ("Short text.", "", ""),
        ("0123456789 " * 100, "", ""),
    ],
)
def test_the_stated_language_holds_unless_the_text_is_clearly_in_another(text: str, stated: str, language: str) -> None:
    assert language_of(text, stated) == language


@pytest.mark.parametrize(
    ("raw", "tag"),
    [("en", "en"), ("pt_BR", "pt-BR"), ("zh-Hans-CN", "zh-Hans-CN"), ("de-DE, en", "de-DE"), ("x", ""), ("german", "")],
)
def test_tags(raw: str, tag: str) -> None:
    assert language_tag(raw) == tag


CHINESE = "昨天晚上港口的桥梁在大风中关闭了三个小时，今天早上重新开放。" * 5


@pytest.mark.parametrize(("stated", "language"), [("en", "zh"), ("zh-TW", "zh-TW"), ("ko", "ko")])
def test_a_script_refutes_what_a_template_states(stated: str, language: str) -> None:
    assert language_of(CHINESE, stated) == language


@pytest.mark.parametrize("text", ["橋", f"{ENGLISH} 橋"])
def test_a_few_letters_of_a_script_refute_nothing(text: str) -> None:
    assert language_of(text, "en") == "en"


def test_the_nearer_of_two_languages() -> None:
    assert is_nearer(ENGLISH, "en", "de")
    assert not is_nearer(ENGLISH, "de", "en-GB")
    assert not is_nearer(ENGLISH, "en", "en-GB")
    assert not is_nearer(" ", "en", "de")
