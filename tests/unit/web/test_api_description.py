"""The examples of the API's description are records as the API gives them."""

from __future__ import annotations

import pytest

from aggregator.web.api import schemas
from aggregator.web.api.describe import EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_such_a_record(name: str) -> None:
    model = getattr(schemas, name)
    assert set(EXAMPLES[name]) == set(model.model_fields)
    model.model_validate(EXAMPLES[name])
