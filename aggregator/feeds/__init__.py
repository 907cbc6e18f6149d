"""Parses the bytes of a feed to entries, and finds the article of each entry.

The guid rule has two halves: `entry_ids.py` decides whether a guid identifies its entry, `entry_fields.is_permalink`
whether it may be used as an address.
"""
