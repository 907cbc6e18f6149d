"""The daemon: ticks, visits, extraction, publishing, reload, status page, orderly stop."""

from aggregator.service.daemon import Service, Timings
from aggregator.service.page import serve_alone
from aggregator.service.store_lock import hold_store

__all__ = ["Service", "Timings", "hold_store", "serve_alone"]
