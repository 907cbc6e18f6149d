"""Lessons in the store: proofs by fetched pages, and the lists of all sites."""
