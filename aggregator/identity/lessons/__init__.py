"""Lessons. A lesson says that two forms of a site's addresses (such as with and without "?ref=") are one article."""
