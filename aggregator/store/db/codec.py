"""Converts records to JSON text and back, by pydantic, and rows to records. Pure.

Later versions must be able to read stored texts. A field with its default value is left out, and an unknown field is
ignored. So fields can come and go without a migration. Dates are ISO 8601, spans ISO 8601 durations. `record_form`
converts texts stored in an earlier form.
"""

from __future__ import annotations

import json
import zlib
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import cache, lru_cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from pydantic_core import from_json
from sqlalchemy import Row

from aggregator.models.articles import Extraction
from aggregator.models.feeds import Entry, FeedState
from aggregator.models.fetching import Hop

R = TypeVar("R")

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)

_hops: Final = TypeAdapter(tuple[Hop, ...])
_states: Final = TypeAdapter(FeedState)
_entries: Final = TypeAdapter(Entry)
_extractions: Final = TypeAdapter(Extraction)

STATE_COLUMNS: Final = frozenset(  # fields of `FeedState` that have columns in `feeds`
    {
        *("due_at", "status", "cause", "detail", "failures", "failing_since", "polled_at", "succeeded_at"),
        *("not_before", "validators", "body_hash", "raw_hashes", "title"),
    }
)
ENTRY_COLUMNS: Final = frozenset({"entry_id", "link", "title", "published_at", "updated_at"})  # in `entries`
EXTRACTION_COLUMNS: Final = frozenset({"title", "body"})  # in `revisions`


def dump(value: object) -> str:
    """Return `value` as JSON text."""
    return _encoder.encode(value)


@lru_cache(maxsize=1024)  # the tags of a feed are read with each of its articles
def load_strings(text: str) -> tuple[str, ...]:
    """Return the list of strings that `text` holds as JSON."""
    return tuple(json.loads(text))


def load_mapping(text: str) -> dict[str, str]:
    """Return the mapping of strings that `text` holds as JSON."""
    return dict(json.loads(text))


def dump_sample(hashes: Iterable[int]) -> bytes:
    """Return the sample of a fingerprint: its sorted `hashes`, 8 bytes each."""
    return array("q", sorted(hashes)).tobytes()


def load_sample(stored: bytes) -> frozenset[int]:
    """Return the hashes in a sample of `dump_sample`."""
    return frozenset(array("q", stored))


# --- records ----------------------------------------------------------------------------------------------------------


def record_of(kind: Callable[..., R], row: Row[Any], **others: object) -> R:
    """Return a record of class `kind`: its fields are the columns of `row` with their names, and `others`."""
    columns = row._mapping
    return kind(**{name: columns[name] for name in _field_names(kind) if name in columns} | others)


@cache
def _field_names(kind: Any) -> tuple[str, ...]:  # Any: a class of records
    return tuple(one.name for one in fields(kind))


def dump_hops(hops: Sequence[Hop]) -> str:
    """Return hops as JSON text; "" for none."""
    return dump(_hops.dump_python(tuple(hops), mode="json")) if hops else ""


def load_hops(text: str) -> tuple[Hop, ...]:
    """Return the hops from the text of `dump_hops`."""
    return _hops.validate_json(text) if text else ()


def dump_feed_rest(state: FeedState) -> str:
    """Return, as JSON text, the fields of the state that have no column in `feeds`."""
    return _dump(_states, state, STATE_COLUMNS)


def load_feed_state(rest: str, **columns: object) -> FeedState:
    """Return a feed's state from the values of its `columns` and the text of `dump_feed_rest`."""
    return _states.validate_python(_loads(rest) | columns)


def dump_entry_rest(entry: Entry) -> str:
    """Return, as JSON text, the fields of the entry that have no column in `entries`."""
    return _dump(_entries, entry, ENTRY_COLUMNS)


def load_entry(rest: str, **columns: object) -> Entry:
    """Return a stored entry. `rest` is the text that `dump_entry_rest` made; `columns` has the other fields."""
    return _entries.validate_python({"id": "", **_loads(rest), **columns})  # an empty id was once left out


def dump_extraction_rest(content: Extraction) -> str:
    """Return, as JSON text, the fields of `content` that have no column in `revisions`; Markdown is compressed."""
    kept = _kept(_extractions, content, EXTRACTION_COLUMNS | {"markdown"})
    if content.markdown is not None:
        kept["markdown"] = _pack(content.markdown, content.body)
    return dump(kept)


def load_extraction(title: str, body: str, rest: str) -> Extraction:
    """Return an extraction from its title, its body, and the text of `dump_extraction_rest`."""
    kept = _loads(rest)
    if (packed := kept.get("markdown")) is not None:
        kept["markdown"] = _unpack(packed, body)
    return _extractions.validate_python({**kept, "title": title, "body": body})


def _loads(text: str) -> dict[str, Any]:  # Any: the values of a record
    try:
        kept: dict[str, Any] = from_json(text)  # twice as fast as `json`; refuses lone surrogates
    except ValueError:
        kept = json.loads(text)
    return kept


def _pack(text: str, known: str) -> str:
    packer = zlib.compressobj(9, zdict=_dictionary(known))
    return b64encode(packer.compress(text.encode("utf-8", "surrogatepass")) + packer.flush()).decode()


def _unpack(packed: str, known: str) -> str:
    unpacker = zlib.decompressobj(zdict=_dictionary(known))
    return unpacker.decompress(b64decode(packed)).decode("utf-8", "surrogatepass")


def _dictionary(known: str) -> bytes:
    return known.encode("utf-8", "surrogatepass")[-32_768:]  # the window of zlib


def _dump(adapter: TypeAdapter[Any], record: object, columns: frozenset[str]) -> str:  # Any: the record's own type
    # Through Python's own encoder: texts from outside may hold lone surrogates, which pydantic's refuses.
    return dump(_kept(adapter, record, columns))


def _kept(adapter: TypeAdapter[Any], record: object, columns: frozenset[str]) -> dict[str, Any]:  # Any: as above
    kept: dict[str, Any] = adapter.dump_python(record, mode="json", exclude_defaults=True, exclude=set(columns))
    return kept
