"""A feed aggregator daemon that collects a clean, de-duplicated full-text corpus."""

__version__ = "0.1.0"
DISTRIBUTION = "feed-corpus"  # what pip installs; the name `aggregator` belongs to another project
