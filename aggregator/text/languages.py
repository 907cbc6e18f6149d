"""Decides the language of a text by its stated tag and by detection; writes language tags in their usual spelling."""

from __future__ import annotations

import re

from resiliparse.parse.lang import detect_fast, supported_langs

_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}))?(?![A-Za-z])")
_MIN_CHARS = 400
_MAX_CHARS = 5000
# Resiliparse's out-of-place measure: above it a detection is a guess, and above the second one it refutes nothing.
_MAX_DISTANCE = 600
_MAX_REFUTING = 350
_MIN_GAP = 100  # how much further away a stated language must be; related languages (Ukrainian, Russian) are closer
_KNOWN = frozenset(supported_langs())
# Scripts that hardly more than one language writes: which, and whose stated tags they do not refute.
_SCRIPTS = (
    ("ko", frozenset({"ko"}), re.compile("[\uac00-\ud7af]")),
    ("ja", frozenset({"ja"}), re.compile("[\u3040-\u30ff]")),
    ("zh", frozenset({"zh", "yue", "wuu", "ja", "ko"}), re.compile("[\u4e00-\u9fff]")),
    ("th", frozenset({"th"}), re.compile("[\u0e00-\u0e7f]")),
    ("he", frozenset({"he", "iw", "yi"}), re.compile("[\u05d0-\u05ea]")),
    ("el", frozenset({"el", "grc"}), re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
)
_ANY_SCRIPT = re.compile("|".join(script.pattern for _, _, script in _SCRIPTS))
_MIN_LETTERS = 40
_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "bs": "hr", "sh": "hr"}


def language_tag(raw: str) -> str:
    """Return a language tag in its usual spelling (RFC 5646, 2.1.1), `""` if it is invalid.

    >>> language_tag("EN_us"), language_tag("zh-hant"), language_tag("English")
    ('en-US', 'zh-Hant', '')
    """
    found = _TAG.match(raw.strip())
    if not found:
        return ""
    language, script, region = found.groups()
    return "-".join(filter(None, (language.lower(), (script or "").title(), (region or "").upper())))


def language_of(text: str, stated: str) -> str:
    """Return the language of `text`: the stated tag, or the detected language if the tag is missing or clearly wrong.

    Templates often state the wrong language, and detectors are often wrong about short texts. So neither decides alone.
    `""`: no tag is stated, and the detection is uncertain or the text has less than 400 characters.
    """
    tag = language_tag(stated)
    primary = _SAME.get(tag.partition("-")[0], tag.partition("-")[0])
    if written := _language_by_script(text[:_MAX_CHARS], primary):
        return written
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


def _language_by_script(text: str, stated: str) -> str:
    """Return the language of the text's main script if it contradicts `stated` ("ko" for Hangul, if `stated` is "en").

    `""`: no language is stated, the script agrees with it, several languages use the script, or the text is very short.
    """
    if not _ANY_SCRIPT.search(text) or (letters := sum(map(str.isalpha, text))) < _MIN_LETTERS:
        return ""
    for language, stated_ones, script in _SCRIPTS:
        share = len(script.findall(text)) / letters
        if share >= (0.2 if language == "ja" else 0.5):
            return "" if stated in stated_ones or not stated else language
    return ""


def is_nearer(text: str, language: str, other: str) -> bool:
    """Return whether a text, even a short one, is more likely in `language` than in `other`. Regions do not count."""
    first, second = (_SAME.get(tag, tag) for tag in (language.partition("-")[0], other.partition("-")[0]))
    if first == second or not text.strip():
        return False
    return detect_fast(text[:_MAX_CHARS], cutoff=10_000, langs=[first, second])[0] == first
