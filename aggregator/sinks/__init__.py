"""Sinks: places where articles are written, one module per format. Sinks know records, not the store."""
