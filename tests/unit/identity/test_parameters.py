"""Addresses that differ in the values of parameters alone."""

from __future__ import annotations

import pytest

from aggregator.identity.parameters import differ_in_values, parameters

URL = "https://example.org/a"


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("?from=1", "?from=2", True),
        ("?from=1&x2=b", "?x2=b&from=2", True),
        ("?from=1", "?from=1", False),
        ("?from=1", "", False),
        ("?from=1", "?via=1", False),
        ("?from=1", "/b?from=2", False),
        ("?from=1#top", "?from=2", False),
        ("?ID=1", "?ID=2", False),
        ("?from=1&p=1", "?from=2&p=2", False),
        ("?from=1&p=1", "?from=2&p=1", True),
    ],
)
def test_addresses_that_differ_in_values_alone(one: str, other: str, verdict: bool) -> None:
    assert differ_in_values(URL + one, URL + other) is differ_in_values(URL + other, URL + one) is verdict


def test_what_is_no_address_has_no_parameters() -> None:
    assert parameters("mailto:a@example.org?x=1") == ()
