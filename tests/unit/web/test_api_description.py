"""The examples of the API's description are records as the API gives them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from aggregator.ports.readings import TracedArticle, TracedEntry, TracedEvidence, TracedPage
from aggregator.ports.store_records import Decision
from aggregator.web.api import schemas


@pytest.mark.parametrize("model", [schemas.FeedDetail, *schemas.Record.__subclasses__()])
def test_each_example_is_such_a_record(model: type[schemas.Record]) -> None:
    model.model_validate(schemas.example_of(model))


@pytest.mark.parametrize(
    ("part", "record"),
    [
        ("entries", TracedEntry),
        ("pages", TracedPage),
        ("articles", TracedArticle),
        ("evidence", TracedEvidence),
        ("decisions", Decision),
    ],
)
def test_each_part_of_a_trace_is_such_a_record(part: str, record: Any) -> None:  # Any: a class of records
    (example,) = schemas.example_of(schemas.Why)[part]
    assert set(example) == {field.name for field in fields(record)}
