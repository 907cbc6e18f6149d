"""The bundled newsroom: a small press of invented publishers on 127.0.0.1, and a configuration that reads it.

Nothing here reaches the network; nothing outside this package depends on it.
"""

from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import LoggedRequest, Newsroom

__all__ = ["LoggedRequest", "Newsroom", "demo_config"]
