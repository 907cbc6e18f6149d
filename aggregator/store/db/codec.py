"""Records as JSON text and back, field by field: what is stored must be readable by later versions. Pure.

Unknown names are ignored and missing ones take their default, so a field can come and go without a migration.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from aggregator.models.fetching import Hop
from aggregator.models.records import (
    DateSource,
    DeclaredUrls,
    Enclosure,
    Entry,
    Extraction,
    FeedHints,
    FeedState,
    GapFill,
    LeadImage,
    PublicationStats,
    Source,
)

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_SECOND: Final = timedelta(seconds=1)
_NUMBERS: Final = (int, float)  # whose zero says something; `bool` is none of them

# Values come back from JSON as `Any`: the writer above each reader says what they are.
Json = dict[str, Any]


def dump(value: object) -> str:
    """Return `value` as JSON text."""
    return _encoder.encode(value)


def load_strings(text: str) -> tuple[str, ...]:
    """Return a list of strings."""
    return tuple(json.loads(text))


def load_mapping(text: str) -> dict[str, str]:
    """Return a mapping of strings."""
    return dict(json.loads(text))


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _read_moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _span(value: timedelta | None) -> float | None:
    return None if value is None else value / _SECOND


def _read_span(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _kept(values: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is empty: it comes back as its default."""
    return {name: value for name, value in values.items() if value or type(value) in _NUMBERS}


# --- fingerprints -----------------------------------------------------------------------------------------------------


def dump_sample(hashes: Iterable[int]) -> bytes:
    """Return the hashes of a fingerprint, 8 bytes each, sorted."""
    return array("q", sorted(hashes)).tobytes()


def load_sample(stored: bytes) -> frozenset[int]:
    """Return the hashes of a fingerprint."""
    return frozenset(array("q", stored))


# --- hops -------------------------------------------------------------------------------------------------------------


def dump_hops(hops: Sequence[Hop]) -> str:
    """Return hops as text; "" for none."""
    return dump([[hop.url, hop.status, hop.target] for hop in hops]) if hops else ""


def load_hops(text: str) -> tuple[Hop, ...]:
    """Return hops from text."""
    return tuple(Hop(url=url, status=status, target=target) for url, status, target in json.loads(text)) if text else ()


# --- feed state -------------------------------------------------------------------------------------------------------


def dump_feed_rest(state: FeedState) -> str:
    """Return what no column of `feeds` holds."""
    return dump(
        _kept(
            {
                "format": state.format,
                "hints": _dump_hints(state.hints),
                "fresh_for": _span(state.fresh_for),
                "validators_of": state.validators_of,
                "stats": _dump_stats(state.stats),
                "adopted_url": state.adopted_url,
                "adopted_at": _moment(state.adopted_at),
                "pending_target": state.pending_target,
                "pending_hops": dump_hops(state.pending_hops),
                "advertised": state.advertised,
                "hub": state.hub,
                "revalidation": state.revalidation,
                "unconditional_at": _moment(state.unconditional_at),
                "distrusted_at": _moment(state.distrusted_at),
                "gap_at": _moment(state.gap_at),
                "gap_interval": _span(state.gap_interval),
                "filling": _dump_filling(state.filling),
                "entry_ids": state.entry_ids,
            }
        )
    )


def load_feed_rest(text: str) -> Json:
    """Return the named arguments of `FeedState` that no column of `feeds` holds."""
    kept: Json = json.loads(text)
    return {
        "format": kept.get("format", ""),
        "hints": _load_hints(kept.get("hints", {})),
        "fresh_for": _read_span(kept.get("fresh_for")),
        "validators_of": kept.get("validators_of"),
        "stats": _load_stats(kept.get("stats")),
        "adopted_url": kept.get("adopted_url"),
        "adopted_at": _read_moment(kept.get("adopted_at")),
        "pending_target": kept.get("pending_target"),
        "pending_hops": load_hops(kept.get("pending_hops", "")),
        "advertised": tuple(kept.get("advertised", ())),
        "hub": kept.get("hub"),
        "revalidation": kept.get("revalidation", ""),
        "unconditional_at": _read_moment(kept.get("unconditional_at")),
        "distrusted_at": _read_moment(kept.get("distrusted_at")),
        "gap_at": _read_moment(kept.get("gap_at")),
        "gap_interval": _read_span(kept.get("gap_interval")),
        "filling": _load_filling(kept.get("filling")),
        "entry_ids": kept.get("entry_ids", ""),
    }


def _dump_filling(filling: GapFill | None) -> Mapping[str, object] | None:
    if filling is None:
        return None
    return {
        "since": _moment(filling.since),
        "until": _moment(filling.until),
        "resume_at": _moment(filling.resume_at),
        "sources": [[source.kind, source.url] for source in filling.sources],
        "sections": filling.sections,
        "asked": filling.asked,
        "waits": filling.waits,
    }


def _load_filling(kept: Json | None) -> GapFill | None:
    if kept is None:
        return None
    return GapFill(
        since=datetime.fromisoformat(kept["since"]),
        until=datetime.fromisoformat(kept["until"]),
        resume_at=datetime.fromisoformat(kept["resume_at"]),
        sources=tuple(Source(kind=kind, url=url) for kind, url in kept["sources"]),
        sections=tuple(kept["sections"]),
        asked=tuple(kept["asked"]),
        waits=kept["waits"],
    )


def _dump_hints(hints: FeedHints) -> Mapping[str, object]:
    return _kept(
        {
            "ttl": _span(hints.ttl),
            "skip_hours": hints.skip_hours,
            "skip_days": hints.skip_days,
            "update_interval": _span(hints.update_interval),
        }
    )


def _load_hints(kept: Json) -> FeedHints:
    return FeedHints(
        ttl=_read_span(kept.get("ttl")),
        skip_hours=tuple(kept.get("skip_hours", ())),
        skip_days=tuple(kept.get("skip_days", ())),
        update_interval=_read_span(kept.get("update_interval")),
    )


def _dump_stats(stats: PublicationStats) -> Mapping[str, object] | None:
    if stats == _NO_STATS:
        return None
    return {
        "since": _moment(stats.since),
        "at": _moment(stats.at),
        "weight": stats.weight,
        "exposure_days": stats.exposure_days,
        "hours": stats.hours,
        "weekdays": stats.weekdays,
        "minutes": stats.minutes,
        "recent": [moment.isoformat() for moment in stats.recent],
        "window": stats.window,
    }


def _load_stats(kept: Json | None) -> PublicationStats:
    if kept is None:
        return _NO_STATS
    return PublicationStats(
        since=_read_moment(kept.get("since")),
        at=_read_moment(kept["at"]),
        weight=kept["weight"],
        exposure_days=kept["exposure_days"],
        hours=tuple(kept["hours"]),
        weekdays=tuple(kept["weekdays"]),
        minutes=tuple(kept["minutes"]) if "minutes" in kept else _NO_STATS.minutes,
        recent=tuple(datetime.fromisoformat(moment) for moment in kept["recent"]),
        window=kept["window"],
    )


_NO_STATS: Final = PublicationStats()


# --- entry ------------------------------------------------------------------------------------------------------------


def dump_entry_rest(entry: Entry) -> str:
    """Return what no column of `entries` holds."""
    return dump(
        _kept(
            {
                "id": entry.id,
                "published_raw": entry.published_raw,
                "date_flagged": entry.date_flagged,
                "authors": entry.authors,
                "summary": entry.summary,
                "content": entry.content,
                "enclosures": _dump_enclosures(entry.enclosures),
                "categories": entry.categories,
                "language": entry.language,
                "is_permalink": entry.is_permalink,
                "original_link": entry.original_link,
                "content_id": entry.content_id,
                "raw_hash": entry.raw_hash,
            }
        )
    )


def _dump_enclosures(enclosures: Sequence[Enclosure]) -> list[list[str | int | None]]:
    return [[e.url, e.type, e.length, e.duration] for e in enclosures]


def _load_enclosures(kept: Json) -> tuple[Enclosure, ...]:
    return tuple(_enclosure(*parts) for parts in kept.get("enclosures", ()))


def _enclosure(url: str, kind: str, length: int | None, duration: int | None = None) -> Enclosure:
    return Enclosure(url=url, type=kind, length=length, duration=duration)


def load_entry_rest(text: str) -> Json:
    """Return the named arguments of `Entry` that no column of `entries` holds."""
    kept: Json = json.loads(text)
    return {
        "id": kept.get("id", ""),
        "published_raw": kept.get("published_raw", ""),
        "date_flagged": kept.get("date_flagged", False),
        "authors": tuple(kept.get("authors", ())),
        "summary": kept.get("summary", ""),
        "content": kept.get("content", ""),
        "enclosures": _load_enclosures(kept),
        "categories": tuple(kept.get("categories", ())),
        "language": kept.get("language", ""),
        "is_permalink": kept.get("is_permalink", False),
        "original_link": kept.get("original_link"),
        "content_id": kept.get("content_id"),
        "raw_hash": kept.get("raw_hash", ""),
    }


# --- extraction -------------------------------------------------------------------------------------------------------


def dump_extraction_rest(content: Extraction) -> str:
    """Return what no column of `revisions` holds."""
    image, declared = content.lead_image, content.declared
    return dump(
        _kept(
            {
                "authors": content.authors,
                "date": content.date,
                "published": content.published,
                "date_source": content.date_source.value,
                "updated": content.updated,
                "language": content.language,
                "site": content.site,
                "text": content.text,
                "source": content.source,
                "lead_image": None if image is None else [image.url, image.caption, image.alt, image.credit],
                "declared": _kept({name: getattr(declared, name) for name in _DECLARED}),
                "tags": content.tags,
                "enclosures": _dump_enclosures(content.enclosures),
                "extractor_name": content.extractor_name,
                "extractor_version": content.extractor_version,
            }
        )
    )


def load_extraction(title: str, body: str, text: str) -> Extraction:
    """Return an extraction from the columns of `revisions`."""
    kept: Json = json.loads(text)
    image = kept.get("lead_image")
    return Extraction(
        title=title,
        authors=tuple(kept.get("authors", ())),
        date=kept.get("date", ""),
        published=kept.get("published", ""),
        date_source=DateSource(kept.get("date_source", DateSource.NONE.value)),
        updated=kept.get("updated", ""),
        language=kept.get("language", ""),
        site=kept.get("site", ""),
        text=kept.get("text", ""),
        body=body,
        source=kept["source"],
        lead_image=LeadImage(url=image[0], caption=image[1], alt=image[2], credit=image[3]) if image else None,
        declared=DeclaredUrls(**{name: kept.get("declared", {}).get(name) for name in _DECLARED}),
        tags=tuple(kept.get("tags", ())),
        enclosures=_load_enclosures(kept),
        extractor_name=kept.get("extractor_name", ""),
        extractor_version=kept.get("extractor_version", ""),
    )


_DECLARED: Final = ("canonical", "og_url", "amphtml", "shortlink", "json_ld", "next_page")
