"""Finds the pictures of an article: address, caption, alternative text and credit of each. It fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from urllib.parse import unquote, urljoin, urlsplit

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import letters_of, text_in
from aggregator.models.pages import LeadImage

_CREDIT_CLASS = re.compile(r"credit|copyright|photographer|source|byline|author|agency|rights|quelle", re.IGNORECASE)
_CAPTION_CLASS = re.compile(r"caption|legend|bildunterschrift|description", re.IGNORECASE)
_PICTURE_CLASS = re.compile(r"image|media|photo|picture|figure|hero|lead|visual|gallery|thumb", re.IGNORECASE)
_NO_PICTURE = re.compile(r"logo|icon|avatar|author|sprite|pixel|placeholder|spacer|badge|emoji", re.IGNORECASE)
_ELSEWHERE = frozenset({"nav", "footer", "aside"})
_SOURCES = ("src", "data-src", "data-original", "data-lazy-src", "data-srcset", "srcset", "data-url")
_CREDIT_WORDS = (
    r"(?:image|photo(?:graph)?|foto(?:graf)?|picture|bild(?:quelle)?|credits?|quelle|source|crédits?|kép|фото)"
)
_CREDIT = re.compile(
    rf"\s*[(\[|/–—-]?\s*(?:{_CREDIT_WORDS}(?:\s+(?:credit|by|von|:))?\s*[:：]\s*|©\s*|\(c\)\s*)"
    r"(?P<credit>[^()\[\]]{2,120}?)\s*[)\]]?\s*$",
    re.IGNORECASE,
)
_MAX_CAPTION_CHARS = 2000
_MAX_IMAGES = 100


def pictures_of(tree: Element) -> list[Element]:
    """Return the `img` elements that may belong to the article: no logos, nothing in `nav`, `aside` or `footer`."""
    return [image for image in tree.iter("img") if _is_picture(image)]


def lead_image_of(pictures: Sequence[Element], addresses: Sequence[str], url: str) -> LeadImage | None:
    """Return the picture above the article: the one that the page states, else the one in the first figure.

    `addresses` are the stated addresses, absolute, best first. None: there is no picture.
    """
    shown = _find(pictures, addresses)
    if shown is None:
        return LeadImage(url=addresses[0]) if addresses else None
    address = addresses[0] if addresses else next(iter(_sources_of(shown, url)), "")
    return _image(shown, address) if address else None


def images_of(pictures: Sequence[Element], url: str) -> tuple[LeadImage, ...]:
    """Return up to 100 of a page's pictures: those within `article` or `main` elements, in their order, each once.

    If these elements have no picture, the pictures in `figure` elements are returned.
    """
    found: dict[str, LeadImage] = {}
    for image in _within(pictures, "article", "main") or _within(pictures, "figure"):
        address = next(iter(_sources_of(image, url)), "")
        if address and address not in found and len(found) < _MAX_IMAGES:
            found[address] = _image(image, address)
    return tuple(found.values())


def _within(pictures: Sequence[Element], *tags: str) -> list[Element]:
    return [image for image in pictures if next(image.iterancestors(*tags), None) is not None]


def _image(shown: Element, address: str) -> LeadImage:
    """Return the picture of an `img` with caption, alternative text and credit; `address` is its address."""
    frame = _frame_of(shown)
    caption, credit = _caption_of(frame) if frame is not None else ("", "")
    return LeadImage(url=address, caption=caption, alt=" ".join((shown.get("alt") or "").split()), credit=credit)


def split_credit(caption: str) -> tuple[str, str]:
    """Split a caption into its description and its credit.

    >>> split_credit("Settlements in the Kherson region (Image: C. Arce/NurPhoto)")
    ('Settlements in the Kherson region', 'C. Arce/NurPhoto')
    """
    found = _CREDIT.search(caption[-400:])
    if not found:
        return caption, ""
    start = max(0, len(caption) - 400) + found.start()
    return caption[:start].rstrip(), found.group("credit").strip()


def _find(pictures: Sequence[Element], addresses: Sequence[str]) -> Element | None:
    """Return the first `img` whose source contains the file name of one of `addresses`, else one in a `figure`.

    Of several with this name, one inside a figure or a similar element is preferred; of figures, one in `article` or
    `main`. None: there is no such `img`.
    """
    names = [_file_name(address) for address in addresses]
    for name in filter(None, names):
        same = [image for image in pictures if any(name in source for source in _raw_sources(image))]
        if same:
            return next((image for image in same if _frame_of(image) is not None), same[0])
    figures = _within(pictures, "figure")
    return next(iter(_within(figures, "article", "main") or figures), None)


def _is_picture(image: Element) -> bool:
    if next(image.iterancestors(*_ELSEWHERE), None) is not None:
        return False
    about = " ".join(filter(None, (image.get("class"), image.get("id"), image.get("src"))))
    return not _NO_PICTURE.search(about[:300])


def _frame_of(image: Element) -> Element | None:
    """Return the element around the picture and its caption; None: there is none.

    It is a `figure`, else an element near the picture that has a class such as "image" and contains a caption.
    """
    figure = next(image.iterancestors("figure"), None)
    if figure is not None:
        return figure
    for around in islice(image.iterancestors(), 5):
        if around.tag in ("article", "main", "body"):
            return None
        if _PICTURE_CLASS.search(around.get("class") or "") and _captions_in(around):
            return around
    return None


def _captions_in(frame: Element) -> list[Element]:
    captions = list(frame.iter("figcaption"))
    return captions or [
        part for part in frame.iter("div", "p", "span") if _CAPTION_CLASS.search(part.get("class") or "")
    ]


def _caption_of(frame: Element) -> tuple[str, str]:
    captions = _captions_in(frame)
    if not captions:
        return "", ""
    credits: list[str] = []
    caption = " ".join("".join(_texts_without_credit(captions[0], credits)).split())
    if not credits:
        credits = [text_in(part) for part in frame.iter("span", "cite", "small", "p", "div") if _is_credit(part)][:1]
    shows, split = split_credit(caption[:_MAX_CAPTION_CHARS])
    credit = split or (re.sub(rf"^{_CREDIT_WORDS}\s*[:：]\s*|^©\s*", "", credits[0], flags=re.I) if credits else "")
    return shows, credit.strip()


def _texts_without_credit(element: Element, credits: list[str]) -> Iterator[str]:
    """Yield the texts of a caption. The texts of its credit are added to `credits` instead."""
    yield element.text or ""
    for part in element:
        if isinstance(part.tag, str):
            if _is_credit(part):
                credits.append(text_in(part))
            else:
                yield " " if part.tag in ("p", "div", "br") else ""
                yield from _texts_without_credit(part, credits)
        yield part.tail or ""


def _is_credit(part: Element) -> bool:
    return part.tag in ("cite", "small") or bool(_CREDIT_CLASS.search(part.get("class") or ""))


def _raw_sources(image: Element) -> list[str]:
    values = [image.get(name) or "" for name in _SOURCES]
    picture = next(image.iterancestors("picture"), None)  # not the parent: libxml2 takes `source` for a container
    if picture is not None:
        values += [source.get("srcset") or source.get("data-srcset") or "" for source in picture.iter("source")]
    return [unquote(value) for value in values if value]


def _sources_of(image: Element, url: str) -> list[str]:
    firsts = (value.split(",")[0].split()[0] for value in _raw_sources(image) if value.split())
    return [urljoin(url, first) for first in firsts if not first.startswith("data:")]


def _file_name(address: str) -> str:
    """Return the file name in an address without its ending: it is the same for many sizes of a picture.

    `""`: the name is too short to tell pictures apart.
    """
    name = (
        unquote(urlsplit(address).path).rpartition("/")[2].rpartition(".")[0]
        or urlsplit(address).path.rpartition("/")[2]
    )
    return name if len(letters_of(name)) >= 6 else ""
