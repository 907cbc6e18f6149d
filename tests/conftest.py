"""What holds for all tests: laws have no deadline, for nothing here is timed and machines are busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("aggregator", deadline=None)
settings.load_profile("aggregator")
