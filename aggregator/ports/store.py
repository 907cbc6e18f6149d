"""The whole port of the store. Its methods are grouped by their users: queue, corpus, reports."""

from typing import Protocol

from aggregator.ports.corpus import Corpus
from aggregator.ports.queue import Queue
from aggregator.ports.reports import Reports


class Store(Queue, Corpus, Reports, Protocol):
    """The whole store: the queue of all work, the articles, and the reports for operators."""
