"""From the bytes of a feed to its entries, and from entries to their articles. The guid rule is in `entry_ids.py`."""
