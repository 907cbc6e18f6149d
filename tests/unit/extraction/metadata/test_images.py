"""The picture above an article: which one, and what is said about it."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.images import images_of, lead_image_of, pictures_of, split_credit
from aggregator.models.pages import LeadImage

URL = "https://example.org/news/a"
ADDRESS = "https://cdn.example.org/harbour-2024.jpg?w=1200"


def find(body: str, *addresses: str) -> LeadImage | None:
    return lead_image_of(pictures_of(document_fromstring(f"<html><body>{body}</body></html>")), addresses, URL)


FIGURE = (
    '<figure><img src="/x/harbour-2024.jpg" alt=" The  harbour ">'
    "<figcaption>Boats at the quay <span class='credit'>Photo: Ada</span></figcaption></figure>"
)


def test_the_stated_picture_with_caption_alt_and_credit() -> None:
    other = '<figure><img src="/x/other-picture.jpg" alt="other"></figure>'
    assert find(other + FIGURE, ADDRESS) == LeadImage(
        url=ADDRESS, caption="Boats at the quay", alt="The harbour", credit="Ada"
    )


def test_the_one_with_a_caption_of_several_sizes() -> None:
    assert find('<img src="/small/harbour-2024.jpg" alt="thumb">' + FIGURE, ADDRESS).alt == "The harbour"  # type: ignore[union-attr]
    assert find('<img src="/small/harbour-2024.jpg" alt="thumb">', ADDRESS) == LeadImage(url=ADDRESS, alt="thumb")


def test_the_first_figure_when_nothing_is_stated() -> None:
    page = (
        '<nav><figure><img src="/n.jpg"></figure></nav><figure><img src="/logo.png"></figure>'
        '<figure><img src="/early.jpg"></figure><main><figure><picture><source srcset="/big.webp 2x, /b.webp">'
        '<img data-src="big.jpg" alt="a"></picture></figure></main>'
    )
    assert find(page) == LeadImage(url="https://example.org/news/big.jpg", alt="a")
    assert find('<figure><img src="/early.jpg"></figure>') == LeadImage(url="https://example.org/early.jpg")


def test_the_first_figure_when_what_is_stated_is_not_shown() -> None:
    assert find(FIGURE, "https://cdn.example.org/share-card.png", "https://cdn.example.org/1.png") == LeadImage(
        url="https://cdn.example.org/share-card.png", caption="Boats at the quay", alt="The harbour", credit="Ada"
    )


def test_no_picture() -> None:
    assert find("<p>text</p>") is None
    assert find("<figure><img></figure>") is None
    assert find('<figure><img src="data:image/gif;base64,R0"></figure>') is None
    assert find("<p>text</p>", ADDRESS) == LeadImage(url=ADDRESS)
    assert find('<img src="/1.jpg">', "https://example.org/1.jpg") == LeadImage(url="https://example.org/1.jpg")


def test_pages_without_figures() -> None:
    page = (
        '<div class="article-image"><div><img src="/harbour-2024.jpg"></div><p class="img-caption">Boats</p>'
        "<small>© Ada</small></div>"
    )
    assert find(page, ADDRESS) == LeadImage(url=ADDRESS, caption="Boats", credit="Ada")
    deep = '<div class="image"><p class="caption">C</p>' + "<div>" * 7 + '<img src="/harbour-2024.jpg">' + "</div>" * 8
    assert find(deep, ADDRESS) == LeadImage(url=ADDRESS)
    assert find('<article><img src="/harbour-2024.jpg"></article>', ADDRESS) == LeadImage(url=ADDRESS)


def test_a_caption_of_paragraphs_and_a_comment() -> None:
    page = '<figure><img src="/harbour-2024.jpg"><figcaption><p>One.</p><!-- no --><p>Two.</p></figcaption></figure>'
    assert find(page, ADDRESS) == LeadImage(url=ADDRESS, caption="One. Two.")


@pytest.mark.parametrize(
    ("caption", "shows", "credit"),
    [
        ("Boats (Photo: Ada/AP)", "Boats", "Ada/AP"),
        ("Boats. Foto: Ada", "Boats.", "Ada"),
        ("BoatsImage: Ada/NurPhoto", "Boats", "Ada/NurPhoto"),
        ("Boats © Ada", "Boats", "Ada"),
        ("Boats [Picture credit: Ada]", "Boats", "Ada"),
        ("A photo: nobody knows, and so on (really)", "A photo: nobody knows, and so on (really)", ""),
        ("Boats", "Boats", ""),
        ("", "", ""),
        ("x" * 1000 + " Photo: Ada", "x" * 1000, "Ada"),
    ],
)
def test_credits(caption: str, shows: str, credit: str) -> None:
    assert split_credit(caption) == (shows, credit)


def test_all_pictures_of_the_article_in_their_order() -> None:
    page = """<body><nav><img src="/n.jpg"></nav><img src="/outside.jpg"><article>
    <figure><img src="/one.jpg" alt="A  ship"><figcaption>The ship (Photo: A. Writer)</figcaption></figure>
    <p><img data-src="/two.jpg"></p><p><img src="/one.jpg"></p><img alt="none"><img src="/logo.png"></article></body>"""
    found = images_of(pictures_of(document_fromstring(page)), "https://news.example/a")
    assert found == (
        LeadImage(url="https://news.example/one.jpg", caption="The ship", alt="A ship", credit="A. Writer"),
        LeadImage(url="https://news.example/two.jpg"),
    )


def test_pictures_of_a_page_without_an_article_stand_in_figures() -> None:
    page = '<body><img src="/a.jpg"><figure><img src="/b.jpg"></figure></body>'
    found = images_of(pictures_of(document_fromstring(page)), "https://x.example/")
    assert [one.url for one in found] == ["https://x.example/b.jpg"]
