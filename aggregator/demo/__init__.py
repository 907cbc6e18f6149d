"""The demo: a server on 127.0.0.1 with the sites of invented publishers (the newsroom), and a configuration for it.

Nothing here reaches the network. Only the command `aggregator demo` and tests use this package.
"""

from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import LoggedRequest, Newsroom

__all__ = ["LoggedRequest", "Newsroom", "demo_config"]
