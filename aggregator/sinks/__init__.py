"""Writes articles to files and other outputs, one module per format. Sinks know records, not the store."""
