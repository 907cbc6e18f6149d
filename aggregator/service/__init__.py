"""The daemon: ticks, visits, extraction, publishing, reload, status page, and a stop in order."""

from aggregator.service.daemon import Service, Timings, hold_store
from aggregator.service.page import serve_alone

__all__ = ["Service", "Timings", "hold_store", "serve_alone"]
