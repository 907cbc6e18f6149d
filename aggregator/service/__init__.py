"""The daemon: runs visits and extraction, publishes, reloads its configuration, serves the page, stops in order."""

from aggregator.service.daemon import Service, Timings
from aggregator.service.page import serve_alone
from aggregator.service.store_lock import hold_store

__all__ = ["Service", "Timings", "hold_store", "serve_alone"]
