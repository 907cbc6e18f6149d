"""Finds the lesson that would make two addresses of a site one article. Pure; looks at keys.

A lesson names the only difference between two addresses: parameters, folders or the host, or that one consists only of
a number that the other contains ("/node/48123"). `standing` decides whether it is true at a site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import parse_qsl, unquote

from aggregator.identity.parameters import NEVER_LEARNED
from aggregator.identity.same_text import tenant
from aggregator.identity.section_pages import is_language
from aggregator.models.ids import Key
from aggregator.urls import registrable_domain

_GENERIC = re.compile(r"https://([^/?#]+)(/[^?#]*)(?:\?([^#]*))?")  # a fragment may address an article of its own
_NUMBER = re.compile(r"(?<![0-9])[0-9]{5,18}(?![0-9])")
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_WORDS = re.compile(r"[^\W_]+")
_MIN_WORDS = 4  # words of a headline: two articles rarely have the same ones
_MAX_FOLDERS = 2  # folders in which two addresses may differ
_MAX_NAMES = 3


class LessonKind(StrEnum):
    """The kind of difference between two addresses."""

    PARAMETER = "parameter"
    FOLDER = "folder"
    HOST = "host"
    NUMBER = "number"
    DECLARED = "declared"  # by the page of an article: its short link, AMP or telephone page
    REDIRECT = "redirect"  # of our own request: needs no proof


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Lesson:
    """A statement about a site: addresses of `tenant` that differ only in `subject` are one article.

    `tenant` is a host, a person's folder there, or a domain. The form of `subject` depends on `kind`: "?maca"
    (parameter), "/ = /sp/" (two folders), "example.org = m.example.org" (two hosts), "/node/#" (a number).
    """

    tenant: str
    kind: LessonKind
    subject: str

    @property
    def hash(self) -> bytes:
        """The 16-byte hash under which the lesson is stored."""
        return blake2b(
            f"{self.tenant}\n{self.kind}\n{self.subject}".encode("utf-8", "surrogatepass"), digest_size=16
        ).digest()

    @property
    def claim(self) -> str:
        """The lesson as a clause, such as "?maca is tracking at courier.example"."""
        means = {
            LessonKind.PARAMETER: f"{self.subject} is tracking",
            LessonKind.FOLDER: f"{self.subject} is one folder",
            LessonKind.HOST: f"{self.subject} is one host",
            LessonKind.DECLARED: "a short link, AMP or telephone page that an article declares is that article",
            LessonKind.NUMBER: f"{self.subject} is the article with that number",
            LessonKind.REDIRECT: "the address redirects to the article",
        }
        return f"{means[self.kind]} at {self.tenant}"


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    path: str
    query: tuple[tuple[str, str], ...]

    @property
    def segments(self) -> list[str]:
        return self.path[1:].split("/")


@lru_cache(maxsize=1024)
def _parse(key: Key) -> _Address | None:
    match = _GENERIC.fullmatch(key)
    if match is None:
        return None
    return _Address(match[1], match[2], tuple(sorted(parse_qsl(match[3] or "", keep_blank_values=True))))


def family_of(key: Key) -> bytes | None:
    """Return the hash (16 bytes) of the family of a key: the keys that are compared with it for a lesson.

    A family has one registrable domain and one number, the last in the address. Without a number it has one last
    segment of the path, and equal values of the parameters in `NEVER_LEARNED`. None: the key is that of a home page,
    has a fragment, or is a publisher's number.

    >>> plain = family_of(Key("https://example.org/news/storm-kills-two-on-coast"))
    >>> plain == family_of(Key("https://m.example.org/sp/storm-kills-two-on-coast?ref=x"))
    True
    >>> family_of(Key("https://example.org/a/storm-48123")) == family_of(Key("https://example.org/node/48123"))
    True
    """
    address = _parse(key)
    if address is None:
        return None
    numbers = _numbers(address)
    last = numbers[-1] if numbers else "\n".join((address.segments[-1], *map("=".join, _fixed(address))))
    if not last:
        return None  # a home page
    return blake2b(
        f"{registrable_domain(address.host)}\n{last}".encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()


def _fixed(address: _Address) -> list[tuple[str, str]]:
    """Return the parameters of an address that may name the article (`NEVER_LEARNED`): no lesson removes them."""
    return [(name, value) for name, value in address.query if name.lower() in NEVER_LEARNED]


def _numbers(address: _Address) -> list[str]:
    """Return the numbers in the path of an address; if there are none, those in parameters that may name the article.

    Only numbers of 5 to 18 digits count, and dates do not.
    """
    texts = (address.path, *(value for _, value in _fixed(address)))
    found = [[number for number in _NUMBER.findall(text) if not _DATE.fullmatch(number)] for text in texts]
    return found[0] or [number for numbers in found[1:] for number in numbers]


def lesson_between(one: Key, other: Key) -> Lesson | None:
    """Return the lesson that would make two addresses one article; None: there is no such lesson.

    >>> lesson_between(Key("https://example.org/a"), Key("https://example.org/a?maca=en-rss")).claim
    '?maca is tracking at example.org'
    >>> lesson_between(Key("https://example.org/a?id=1"), Key("https://example.org/a?id=2"))
    """
    first, second = _parse(min(one, other)), _parse(max(one, other))
    if first is None or second is None or first == second:
        return None
    if (first.host, first.path) == (second.host, second.path):
        return _parameter_lesson(min(one, other), first, second)
    if first.query == second.query and first.path == second.path:
        return _host_lesson(first, second)
    if first.host != second.host or tenant(one) != tenant(other):
        return None
    return _folder_lesson(one, first, second) or _number_lesson(one, first, second)


def lesson_of_declaration(page: Key, declared: Key) -> Lesson | None:
    """Return the lesson that is tested when `page` declares `declared` as its short link, AMP or telephone page.

    It says that at this site such an address means the same article as the page.

    None: `page` or `declared` is a publisher's number, or `declared` has a fragment.

    >>> lesson_of_declaration(Key("https://example.org/a"), Key("https://example.org/node/7")).subject
    'declarations'
    """
    owner = tenant(page)
    if owner is None or _parse(declared) is None:
        return None
    return Lesson(tenant=owner, kind=LessonKind.DECLARED, subject="declarations")


def _parameter_lesson(key: Key, first: _Address, second: _Address) -> Lesson | None:
    names = {name for name, _ in set(first.query) ^ set(second.query)}
    owner = tenant(key)
    if not names or len(names) > _MAX_NAMES or owner is None or not NEVER_LEARNED.isdisjoint(map(str.lower, names)):
        return None
    return Lesson(tenant=owner, kind=LessonKind.PARAMETER, subject="?" + "&".join(sorted(names)))


def _host_lesson(first: _Address, second: _Address) -> Lesson | None:
    """Return the lesson that two hosts of a domain have the same articles; None: these addresses allow no such lesson.

    There is none if a host names a language ("de.example.org") or is an IP address, or the path names no article.
    """
    domain = registrable_domain(first.host)
    labels = {label for host in (first.host, second.host) for label in host.removesuffix(domain).split(".")}
    if domain != registrable_domain(second.host) or any(map(is_language, labels)):
        return None
    if _has_no_word(domain) or not _is_strong(first):  # each port of a numeric address is a site
        return None
    hosts = " = ".join(sorted((first.host, second.host)))
    return Lesson(tenant=domain, kind=LessonKind.HOST, subject=hosts)


def _folder_lesson(key: Key, first: _Address, second: _Address) -> Lesson | None:
    """Return the lesson that two folders have the same articles; None: there is no such lesson.

    There is none if the addresses differ elsewhere or name no article, if more than two nested folders differ, or if a
    differing folder has no letter ("2024") or names a language ("de").
    """
    left, right, owner = first.segments, second.segments, tenant(key)
    if first.query != second.query or left[-1] != right[-1] or not _is_strong(first) or owner is None:
        return None
    while left and right and left[0] == right[0]:
        left, right = left[1:], right[1:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    folders = (*left, *right)
    if max(len(left), len(right)) > _MAX_FOLDERS or any(is_language(one) or _has_no_word(one) for one in folders):
        return None
    subject = " = ".join(sorted("/".join(("", *part, "")) for part in (left, right)))
    return Lesson(tenant=owner, kind=LessonKind.FOLDER, subject=subject)


def _number_lesson(key: Key, first: _Address, second: _Address) -> Lesson | None:
    """Return the lesson that an address like "/node/48123" is the article whose address contains this number.

    None: there is no such lesson. One of the two addresses must have only folders and a number (`_shape`), the other
    must not, and must contain this number.
    """
    owner, shapes = tenant(key), (_shape(first), _shape(second))
    if owner is None or (shapes[0] is None) == (shapes[1] is None):
        return None
    short, long = (first, second) if shapes[1] is None else (second, first)
    shape = shapes[0] or shapes[1]
    if shape is None or _numbers(short)[-1] not in _numbers(long):
        return None
    return Lesson(tenant=owner, kind=LessonKind.NUMBER, subject=shape)


def _shape(address: _Address) -> str | None:
    """Return the form of an address that has only folders and a number: "/node/#" or "/?p=#".

    None: the address is of another form.
    """
    numbers = _numbers(address)
    if not numbers:
        return None
    *folders, last = address.segments
    if last == numbers[-1] and not address.query and not any(char.isdigit() for one in folders for char in one):
        return "/".join(("", *folders, "#"))
    if len(address.query) == 1 and address.query[0][1] == numbers[-1] and len(folders) <= 1:
        return f"{address.path}?{address.query[0][0]}=#"
    return None


def _is_strong(address: _Address) -> bool:
    """Return whether the last segment of the path names an article: it has four words or a number of 5 to 18 digits."""
    last = address.segments[-1]
    return _NUMBER.search(last) is not None or len(_WORDS.findall(unquote(last))) >= _MIN_WORDS


def _has_no_word(segment: str) -> bool:
    return not any(char.isalpha() for char in segment)
