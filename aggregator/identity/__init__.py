"""Which article an address means: keys, publisher rules, evidence, near duplicates. Pure.

The guid rule, which tells the entries of a feed apart, is in `feeds/entry_ids.py`.
"""
