"""Bytes to text, text to dates, languages and durations; the seed format; the words of the search index.

The modules know neither feeds nor pages.
"""
