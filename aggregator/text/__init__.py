"""Bytes to text, text to dates, languages and durations; the seed format. Knows no feed and no page."""
