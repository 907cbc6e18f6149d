"""Which language a text is in: tags in their usual spelling, and whether the text contradicts a stated one."""

from __future__ import annotations

import re

from resiliparse.parse.lang import detect_fast, supported_langs

_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}))?(?![A-Za-z])")
_MIN_CHARS = 400
_MAX_CHARS = 5000
# Resiliparse's out-of-place measure: above it a detection is a guess, and above the second one it refutes nothing.
_MAX_DISTANCE = 600
_MAX_REFUTING = 350
_MIN_GAP = 100  # what a stated language must be further away; neighbours (Ukrainian and Russian) lie nearer together
_KNOWN = frozenset(supported_langs())
_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "bs": "hr", "sh": "hr"}


def language_tag(raw: str) -> str:
    """Return a language tag in its usual spelling (RFC 5646, 2.1.1), `""` if it is none.

    >>> language_tag("EN_us"), language_tag("zh-hant"), language_tag("English")
    ('en-US', 'zh-Hant', '')
    """
    found = _TAG.match(raw.strip())
    if not found:
        return ""
    language, script, region = found.groups()
    return "-".join(filter(None, (language.lower(), (script or "").title(), (region or "").upper())))


def language_of(text: str, stated: str) -> str:
    """Return the language of `text`: the stated tag, unless nothing is stated or the text is clearly in another one.

    Templates state the wrong language often, detectors guess wrong on short texts: neither is believed alone.
    """
    tag = language_tag(stated)
    primary = _SAME.get(tag.partition("-")[0], tag.partition("-")[0])
    if len(text) < _MIN_CHARS or (tag and primary not in _KNOWN):
        return tag
    ranked = detect_fast(text[:_MAX_CHARS], n_results=len(_KNOWN))
    distances = dict(ranked if isinstance(ranked, list) else [ranked])
    best = min(distances, key=distances.__getitem__, default="unknown")
    distance = distances.get(best, _MAX_DISTANCE)
    if not tag:
        return best if distance < _MAX_DISTANCE and best in _KNOWN else ""
    refuted = distance < _MAX_REFUTING and distances.get(primary, _MAX_DISTANCE) >= distance + _MIN_GAP
    return best if refuted else tag
