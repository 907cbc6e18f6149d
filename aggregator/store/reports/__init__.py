"""Counts for operators, and the history of one address: the data of `aggregator why` (`trace.py`)."""
