"""Parses the bytes of a feed to entries, and finds the article of each entry. The guid rule is in `entry_ids.py`."""
