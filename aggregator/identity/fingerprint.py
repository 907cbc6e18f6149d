"""Finds near duplicates: the same text under another address, with another byline, cut, corrected or extended.

A fingerprint is a sample of the text's word 4-grams (character 5-grams in scripts that do not separate words). A gram
is in the sample if its checksum is divisible by 16. So a passage that two texts have in common gives both samples the
same hashes. The store counts how many documents have each hash. This module deletes nothing and reads no store.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from zlib import crc32

from aggregator.models.ids import ArticleId

SAMPLING = 16  # one hash in so many is kept
MIN_WORDS = 120  # shorter texts have no neighbours
MIN_CHARACTERS = 240  # the same for scripts without spaces
MIN_COMMON = 4
MIN_CONTAINMENT = 0.5
MIN_RESEMBLANCE = 0.25
MAX_DOCUMENTS = 20  # a hash in more documents is boilerplate
MAX_SITE_SHARE = 0.05  # a hash in a larger share of one site's documents is boilerplate, too
MIN_SITE_DOCUMENTS = 40  # with fewer documents the share of a site means nothing
_CHARACTERS_PER_GRAM = 5

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(  # scripts that do not separate words: Thai, Lao, Khmer, Burmese, kana, Han
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Short lines that change while the text stays the same: ages, counters, "updated" lines. They are left out when texts
# are compared for a revision.
_MAX_PASSING_CHARS = 80
_UNITS = (
    r"sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|h|days?|weeks?|months?|comments?|replies|shares?|likes?|views?|reads?"
    r"|sekunden?|minuten?|stunden?|tag(?:en?)?|wochen?|kommentare?|secondes?|heures?|jours?|semaines?|commentaires?"
    r"|partages?|segundos?|minutos?|horas?|días?|dias?|semanas?|comentarios?|comentários?|minuti|ore|giorni|commenti"
    r"|uur|uren|dagen|reacties|минут\w?|час\w{0,2}|дн\w{1,2}|комментари\w{1,2}"
)
_PASSING = re.compile(
    rf"(?:.{{0,20}}\b)?(?:\d[\d.,]*\s?[km]?\+?\s?|(?:an?|one|eine[rmn]?|une?|una)\s)(?:{_UNITS})\b.{{0,40}}"
    r"|(?:last )?(?:updated?|aktualisiert|stand|mis à jour|actualizado|atualizado|aggiornato|bijgewerkt|обновлено)\b"
    r".{0,60}"
    r"|\D{0,12}\d{1,3}\s?(?:/|of|von|sur|de|di|van|из)\s?\d{1,3}",
    re.IGNORECASE,
)
_SENTENCE_ENDS = (".", "!", "?", "…", "。", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The stored fingerprint of a text.

    `hashes` are those of the phrases (grams) in the sample, as signed 64-bit numbers; `size` is the number of all
    phrases. If a text is too short to be compared, `hashes` is empty and `size` is 0. `text_hash` (16 bytes) is equal
    for texts that differ only in case, blanks, punctuation, or lines that tell an age or a count ("9 hours ago", "531
    comments").
    """

    hashes: frozenset[int]
    size: int
    text_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """The similarity of two samples of hashes.

    `common` is the number of hashes in both samples. `containment` is their share of the smaller sample, `resemblance`
    their share of the hashes in at least one sample.
    """

    common: int
    containment: float
    resemblance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HashUse:
    """How many stored documents have a hash: in all, and on the site of the text that is compared."""

    documents: int
    site_documents: int = 0


def fingerprint(text: str) -> Fingerprint:
    """Return the fingerprint of a text, which is the article's body without title and byline."""
    normalised = unicodedata.normalize("NFKC", text).casefold()
    words = words_of(normalised)
    joined = " ".join(words)
    kept = lasting(normalised)
    compared = joined if kept == normalised else " ".join(words_of(kept))
    text_hash = hashlib.blake2b(compared.encode("utf-8", "replace"), digest_size=16).digest()
    if is_unspaced(joined):
        characters = "".join(words)
        grams = _grams_of_characters(characters) if len(characters) >= MIN_CHARACTERS else []
    else:
        grams = _grams_of_words(words) if len(words) >= MIN_WORDS else []
    return Fingerprint(hashes=_sample(grams), size=len(grams), text_hash=text_hash)


def words_of(normalised: str) -> list[str]:
    """Return the words of a text in order: runs of letters, digits and "_". The case is unchanged."""
    return _WORD.findall(normalised)


def is_unspaced(text: str) -> bool:
    """Return whether more than a quarter of a text's characters are in scripts that do not separate words."""
    return not text.isascii() and 4 * len(_UNSPACED.findall(text)) > len(text)


def lasting(text: str) -> str:
    """Return a text without lines that only tell an age or a count. If it has only such lines, it is unchanged."""
    kept = "\n".join(line for line in text.split("\n") if not is_passing(line))
    return kept if kept.strip() else text


def is_passing(line: str) -> bool:
    """Return whether a line only tells the age of an article, the time of its last change, or a count.

    >>> [is_passing(line) for line in ("9 hours ago · 531 comments", "Updated 10:42", "Page 1 of 3", "It was 5 days.")]
    [True, True, True, False]
    """
    line = line.strip()
    return len(line) <= _MAX_PASSING_CHARS and not line.endswith(_SENTENCE_ENDS) and bool(_PASSING.fullmatch(line))


def compare(one: Set[int], other: Set[int]) -> Similarity:
    """Return the similarity of two samples of hashes, from which `without_boilerplate` has removed repeated phrases."""
    common = len(one & other)
    smaller, union = min(len(one), len(other)), len(one) + len(other) - common
    return Similarity(
        common=common,
        containment=common / smaller if smaller else 0.0,
        resemblance=common / union if union else 0.0,
    )


def is_near_duplicate(similarity: Similarity) -> bool:
    """Return whether two texts are near duplicates: `common`, `containment` and `resemblance` are all high enough."""
    return (
        similarity.common >= MIN_COMMON
        and similarity.containment >= MIN_CONTAINMENT
        and similarity.resemblance >= MIN_RESEMBLANCE
    )


def without_boilerplate(hashes: Iterable[int], uses: Mapping[int, HashUse], site_size: int = 0) -> frozenset[int]:
    """Return the hashes that are not boilerplate (`is_boilerplate`).

    `uses` has for each hash how many documents have it; a hash that it lacks is in no other document. `site_size` is
    the number of documents of the compared text's site.
    """
    return frozenset(h for h in hashes if h not in uses or not is_boilerplate(uses[h], site_size))


def is_boilerplate(use: HashUse, site_size: int = 0) -> bool:
    """Return whether a hash is of a repeated phrase: many documents have it, or a large share of one site's documents.

    `site_size` is the number of documents of the site; the share is ignored if they are few.
    """
    if use.documents > MAX_DOCUMENTS:
        return True
    return site_size >= MIN_SITE_DOCUMENTS and use.site_documents > MAX_SITE_SHARE * site_size


def best_match(
    own: Fingerprint,
    candidates: Mapping[ArticleId, Fingerprint],
    uses: Mapping[int, HashUse],
    site_size: int = 0,
) -> tuple[ArticleId, Similarity] | None:
    """Return the candidate most similar to `own`, with the similarity; None: none is a near duplicate.

    An equal text hash means the greatest similarity. Of equally similar candidates the one with the smallest id is
    returned. If the text of `own` is too short to be compared, None is returned.
    """
    if own.size == 0:
        return None
    counted = without_boilerplate(own.hashes, uses, site_size)
    best: tuple[float, float, ArticleId, Similarity] | None = None
    for article, other in sorted(candidates.items()):
        if other.text_hash == own.text_hash:
            similarity = Similarity(common=len(own.hashes), containment=1.0, resemblance=1.0)
        else:
            similarity = compare(counted, without_boilerplate(other.hashes, uses, site_size))
            if not is_near_duplicate(similarity):
                continue
        if best is None or (similarity.resemblance, similarity.containment) > best[:2]:
            best = (similarity.resemblance, similarity.containment, article, similarity)
    return None if best is None else best[2:]


def _grams_of_words(words: list[str]) -> list[bytes]:
    encoded = [word.encode("utf-8", "replace") for word in words]
    return [b" ".join(gram) for gram in zip(encoded, encoded[1:], encoded[2:], encoded[3:], strict=False)]


def _grams_of_characters(text: str) -> list[bytes]:
    size = _CHARACTERS_PER_GRAM
    return [text[i : i + size].encode("utf-8", "replace") for i in range(len(text) - size + 1)]


def _sample(grams: list[bytes]) -> frozenset[int]:
    """Return the 64-bit hashes of the sampled grams: those whose CRC-32 is divisible by `SAMPLING`."""
    return frozenset(
        int.from_bytes(hashlib.blake2b(gram, digest_size=8).digest(), "big", signed=True)
        for gram in grams
        if not crc32(gram) % SAMPLING
    )
