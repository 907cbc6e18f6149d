"""Status page, API and metrics over HTTP. Reads the store; the only thing it changes is when a feed is due."""

from aggregator.web.application import create_app
from aggregator.web.process import PageSettings, start_page
from aggregator.web.server import RunningServer, address_of, close, listen, listen_at, read_token, refresher, serve

__all__ = [
    "PageSettings",
    "RunningServer",
    "address_of",
    "close",
    "create_app",
    "listen",
    "listen_at",
    "read_token",
    "refresher",
    "serve",
    "start_page",
]
