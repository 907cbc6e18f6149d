"""The whole port of the store. Its methods stand by who uses them: queue, corpus, reports."""

from typing import Protocol

from aggregator.ports.corpus import Corpus
from aggregator.ports.queue import Queue
from aggregator.ports.reports import Reports


class Store(Queue, Corpus, Reports, Protocol):
    """The only queue and the only memory."""
