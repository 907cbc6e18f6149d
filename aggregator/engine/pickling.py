"""How records go between processes: as their values, in order, where a message has many of them.

A frozen dataclass with slots is pickled by functions of the standard library that ask for the fields of each object
anew (`dataclasses._dataclass_getstate`, Python 3.11): twice as long, on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache, partial
from multiprocessing.reduction import ForkingPickler
from operator import attrgetter
from typing import Any, Final, TypeVar

from aggregator.extraction.pipeline import ExtractJob
from aggregator.identity.evidence import Edge
from aggregator.identity.fingerprint import Fingerprint
from aggregator.models.records import DeclaredUrls, Entry, ExtractInput, Extraction, Identity
from aggregator.ports.store_records import ArticleRecord, Collected, Decision, Sighting

T = TypeVar("T")

MANY: Final[tuple[type[Any], ...]] = (  # Any: of each its own
    ArticleRecord,
    Collected,
    Decision,
    DeclaredUrls,
    Edge,
    Entry,
    ExtractInput,
    ExtractJob,
    Extraction,
    Fingerprint,
    Identity,
    Sighting,
)


def pass_values() -> None:
    """From now on let this process send objects of `MANY` as their values; any process can receive them."""
    for kind in MANY:
        ForkingPickler.register(kind, partial(_reduce, attrgetter(*_names(kind))))


def _reduce(values_of: Callable[[T], Sequence[Any]], one: T) -> tuple[Any, ...]:  # Any: see `object.__reduce__`
    return _restore, (type(one), values_of(one))


def _restore(kind: type[Any], values: Sequence[Any]) -> object:  # Any: of each field its own
    one = object.__new__(kind)
    for put, value in zip(_setters(kind), values, strict=True):  # type: ignore[arg-type] # a class can be hashed
        put(one, value)
    return one


@cache
def _setters(kind: type[Any]) -> tuple[Callable[[Any, Any], None], ...]:  # Any: see `_restore`
    return tuple(getattr(kind, name).__set__ for name in _names(kind))


def _names(kind: type[Any]) -> list[str]:  # Any: see MANY
    return [field.name for field in fields(kind)]
