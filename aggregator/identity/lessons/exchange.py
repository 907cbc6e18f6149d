"""Writes lessons as lines of JSON for other installations, and reads and checks such lines. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from aggregator.identity.lessons.standing import Standing
from aggregator.identity.lessons.variants import Lesson, LessonKind
from aggregator.identity.parameters import NEVER_LEARNED

_FIELDS: Final = ("site", "kind", "subject")
_SITE = re.compile(r"[a-z0-9_.-]+(?::[0-9]+)?(?:/[@~][^/\s]+)?|\[[0-9a-f:.]+\](?::[0-9]+)?")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and lone surrogates
_FOLDER = r"/(?:[^/\s=]+/){0,2}"
_SUBJECTS: Final = {
    LessonKind.PARAMETER: re.compile(r"\?[^&\s]+(?:&[^&\s]+){0,2}"),
    LessonKind.FOLDER: re.compile(rf"{_FOLDER} = {_FOLDER}"),
    LessonKind.HOST: re.compile(r"[a-z0-9_.:-]+ = [a-z0-9_.:-]+"),
    LessonKind.DECLARED: re.compile("declarations"),
    LessonKind.NUMBER: re.compile(r"/[^#\s]*#"),
}


def line_of(standing: Standing) -> str:
    """Return a lesson, with the number of its proofs, as a line of JSON.

    >>> lesson = Lesson(tenant="courier.example", kind=LessonKind.PARAMETER, subject="?srnd")
    >>> line_of(Standing(lesson=lesson, paths={}))
    '{"site": "courier.example", "kind": "parameter", "subject": "?srnd", "proofs": 0}'
    """
    lesson = standing.lesson
    return json.dumps(
        {"site": lesson.tenant, "kind": lesson.kind, "subject": lesson.subject, "proofs": standing.proofs},
        ensure_ascii=False,
    )


def lesson_of(line: str) -> Lesson:
    """Return the lesson in a line of JSON; unknown fields are ignored.

    >>> lesson_of('{"site": "courier.example", "kind": "parameter", "subject": "?srnd"}').claim
    '?srnd is tracking at courier.example'

    Raises:
        ValueError: the line contains no valid lesson; the message is one line with the reason.
    """
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(read, dict):
        raise ValueError("is no JSON object")
    values = [read.get(name) for name in _FIELDS]
    for name, value in zip(_FIELDS, values, strict=True):
        if not isinstance(value, str):
            raise ValueError(f"{name} is no text")
    site, kind, subject = map(str, values)
    if kind not in set(_SUBJECTS):
        raise ValueError(f"kind {kind!r} is none of {', '.join(_SUBJECTS)}")
    if _SITE.fullmatch(site) is None or _NO_TEXT.search(site):
        raise ValueError(f"site {site!r} is no host")
    if _SUBJECTS[LessonKind(kind)].fullmatch(subject) is None or _NO_TEXT.search(subject):
        raise ValueError(f"subject {subject!r} is none of kind {kind}")
    lesson = Lesson(tenant=site, kind=LessonKind(kind), subject=subject)
    if lesson.kind is LessonKind.PARAMETER and (never := _never(subject[1:].lower().split("&"))):
        raise ValueError(f"{never[0]!r} addresses articles; no site can teach that it is tracking")
    return lesson


def _never(names: Iterable[str]) -> list[str]:
    return [name for name in names if name in NEVER_LEARNED]
