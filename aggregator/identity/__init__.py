"""Decides which article an address leads to: keys, publisher rules, evidence, near duplicates. Pure.

The guid rule is in `feeds/`: `entry_ids.py` decides whether a guid identifies its entry, `entry_fields.is_permalink`
whether it may be used as an address.
"""
