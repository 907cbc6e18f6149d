"""Bytes of a feed to entries, and entries to what they announce."""
