"""What holds for all tests: laws have no deadline, for nothing here is timed and machines are busy; signals arrive."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("aggregator", deadline=None)
settings.load_profile("aggregator")

# What a shell runs in its background ignores SIGINT, and the commands that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
