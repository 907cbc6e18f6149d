"""Decides which article an address leads to: keys, publisher rules, evidence, near duplicates. Pure.

The guid rule tells the entries of one feed apart. It is in `feeds/entry_ids.py`.
"""
