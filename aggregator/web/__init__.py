"""Status page, API and metrics over HTTP. Reads the store; the only thing it changes is when a feed is due."""

from aggregator.web.application import create_app
from aggregator.web.server import RunningServer, listen, serve

__all__ = ["RunningServer", "create_app", "listen", "serve"]
