"""Cleans bylines and author fields (`persons_of`): names of persons, without lead-ins ("By"). It reads no page."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aggregator.extraction.body.vocabulary import CONJUNCTIONS, LABELS, LEAD_INS, ROLES

_LEAD_IN = re.compile(
    r"^(?:(?:written|reported|posted|published|story|text|words|report|edited)\s+)?"
    r"(?:by|von|par|por|da|di|av|af|door|przez|от|автор|autor(?:in|a|es)?|author|texte?|testo)\s*[:：]?\s+(?=\S+\s+\S)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:author|autor(?:in|en)?|auteur|autore|text|by|von|par|por)\s*[:：]\s*", re.IGNORECASE)
_BEGINNING = re.compile(
    "(?:" + "|".join(map(re.escape, sorted((*LEAD_INS, *LABELS), key=len, reverse=True))) + r")\s*[:：/＝]\s*"
    "|(?:" + "|".join(map(re.escape, sorted(LEAD_INS, key=len, reverse=True))) + r")\s+(?=\S+\s+\S)",
    re.IGNORECASE,
)
_ROLES = "|".join(map(re.escape, sorted(ROLES, key=len, reverse=True)))
_ROLE_BEFORE = re.compile(rf"(?:{_ROLES})(?:\s*[:：]\s*|\s+|(?=[\u4e00-\u9fff]{{2,4}}$))(?=\S)", re.IGNORECASE)
_ROLE_AFTER = re.compile(rf"(?<=\S\s)(?:{_ROLES})$|(?<=[\uac00-\ud7af\u4e00-\u9fff]{{2}})(?:{_ROLES})$", re.IGNORECASE)
_ROLE_ALONE = re.compile(rf"(?:{_ROLES})", re.IGNORECASE)
_ALL_LEADS = "|".join(map(re.escape, sorted((*LEAD_INS, *LABELS), key=len, reverse=True)))
_LEADS = "|".join(map(re.escape, sorted(LEAD_INS, key=len, reverse=True)))
_LEAD_ALONE = re.compile(rf"\W*(?:{_ALL_LEADS})\s*[:：＝]?\s*", re.IGNORECASE)
_LED = re.compile(
    rf"\W*(?:{_LEADS})\s*[:：]?\s+(?=\S)|\W*(?:{_ALL_LEADS})\s*[:：＝]\s*(?=\S)|(?:本[报報])?[记記]者\s+(?=[\u4e00-\u9fff]{{2,4}}$)",
    re.IGNORECASE,
)
_LED_LATER = re.compile(  # "Created by Ada Lovelace"; in "Ursula von der Leyen" no name of its own follows
    rf"\W*(?:[^\W\d_]+\s+){{1,2}}?(?:{_LEADS})\s*[:：]?\s+(?=(?-i:[^\W\d_a-z])\S*\s+\S)", re.IGNORECASE
)
_HARD = re.compile(r"\s*(?:[;|•·／]|\s/\s|\n)\s*")
_ANDS = "|".join(re.escape(word) if len(word) > 1 else f"(?-i:{re.escape(word)})" for word in CONJUNCTIONS)
_AND = re.compile(rf"\s+(?:{_ANDS})\s+", re.IGNORECASE)
_AND_AT_END = re.compile(rf"\s+(?:{_ANDS})\s*$", re.IGNORECASE)
_ANY_LABEL = re.compile(r"[^\W\d_]+(?:\s[^\W\d_]+){0,2}\s?[:：]\s*")  # "Teksti: Aino Virtanen"
_COMMA = re.compile(r"\s*[,、]\s*")
_ADDRESS = re.compile(r"https?:|www\.|\S@\S|^@|\.(?:com|org|net)/", re.IGNORECASE)
_ROLE = re.compile(r"\s*[(\[<][^()\[\]<>]{0,80}[)\]>]\s*$")
_PARTICLES = frozenset(
    {"al", "bin", "bint", "da", "das", "de", "del", "della", "der", "di", "do", "dos", "du", "el", "ibn", "la", "le"}
    | {"mc", "of", "st", "ten", "ter", "van", "von", "zu"}
)
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2,6}")
_MAX_NAME_CHARS = 80


def persons_of(statements: Iterable[str], publisher: str = "") -> tuple[str, ...]:
    """Return the names in author fields, each once, in their order.

    A field may list several names and begin with "By". Addresses, roles and the publisher's own name are left out.

    >>> persons_of(["By Ada Lovelace and Charles Babbage", "https://example.org/ada"])
    ('Ada Lovelace', 'Charles Babbage')
    """
    names: dict[str, str] = {}
    own = _folded(publisher)
    for statement in statements:
        for name in _split(statement):
            folded = _folded(name)
            if folded and folded != own:
                names.setdefault(folded, name)
    return tuple(names.values())


def is_lead_in(text: str) -> bool:
    """Return whether a text is only a lead-in to an author's name: "Written by", "Text:"."""
    return _LEAD_ALONE.fullmatch(text) is not None


def is_led_in(text: str) -> bool:
    """Return whether a text begins with a lead-in ("By"), or has one after its first or second word ("Created by")."""
    return (_LED.match(text) or _LED_LATER.match(text)) is not None


def without_lead_in(text: str) -> str:
    """Return a byline without the lead-in before the name.

    >>> without_lead_in("von Redaktion"), without_lead_in("Created by Ada Lovelace"), without_lead_in("Ada Lovelace")
    ('Redaktion', 'Ada Lovelace', 'Ada Lovelace')
    """
    found = _LED_LATER.match(text) or _LED.match(text)
    return text[found.end() :] if found else text


def _split(statement: str) -> list[str]:
    names = []
    for part in _HARD.split(statement[:1000].strip()):
        part = _LEAD_IN.sub("", _LABEL.sub("", " ".join(part.split())))
        for some in _split_commas(part):
            names += [_clean(name) for name in (_AND.split(some) if _is_list(some) else [some])]
    named = [name for name in names if _is_name(name)]
    return named[:1] + [name for name in named[1:] if not _ROLE_ALONE.fullmatch(name)]


def _split_commas(part: str) -> list[str]:
    """Split a byline at commas if all parts are names; of "Ada Lovelace, professor of law" the name is returned."""
    pieces = [piece for piece in _COMMA.split(part) if piece]
    if len(pieces) < 2 or all(looks_personal(piece) or _is_list(piece) for piece in pieces):
        return pieces
    if looks_personal(pieces[0]):
        return pieces[:1]
    return [part]


def _is_list(text: str) -> bool:
    """Return whether a text is a list of names joined by "and"; "Trinidad and Tobago Newsday" is none."""
    parts = _AND.split(text)
    return len(parts) > 1 and all(looks_personal(part) for part in parts)


def looks_personal(text: str) -> bool:
    """Return whether `text` may be a person's name: two to five capitalised words, or two to six Han, kana or Hangul.

    Particles ("van") need no capital, nor do letters without case. Digits are in no name.

    >>> looks_personal("Ada Lovelace"), looks_personal("dpa"), looks_personal("n-tv news")
    (True, False, False)
    """
    words = text.split()
    if _EAST_ASIAN.fullmatch(text):
        return True
    if not 2 <= len(words) <= 5 or any(char.isdigit() for char in text):
        return False
    return all(word[0].isupper() or not word[0].islower() or word.lower() in _PARTICLES for word in words)


def _clean(name: str) -> str:
    name = _LEAD_IN.sub("", _ROLE.sub("", name)).strip(" \t.,:-–—*").strip()
    return _without_role(name) or name


def _without_role(name: str) -> str:
    if found := _BEGINNING.match(name) or _label_of(name):
        name = name[found.end() :]
    if found := _ROLE_BEFORE.match(name):
        name = name[found.end() :]
    if _ROLE_ALONE.fullmatch(name):
        return name
    rest, roles = _ROLE_AFTER.subn("", name)
    rest = (_AND_AT_END.sub("", rest) if roles else rest).strip(" \t.,:-–—*").strip()
    return name[len(rest) :].strip() if is_lead_in(rest) else rest


def _label_of(name: str) -> re.Match[str] | None:
    """Return the label before a person's name, in any language: one to three words and a colon; None: there is none."""
    found = _ANY_LABEL.match(name)
    return found if found and looks_personal(name[found.end() :]) else None


def _is_name(name: str) -> bool:
    return 1 < len(name) <= _MAX_NAME_CHARS and any(map(str.isalpha, name)) and not _ADDRESS.search(name)


def _folded(name: str) -> str:
    return " ".join(re.findall(r"\w+", name)).casefold()
