"""Lessons about the addresses of a site: two forms of an address (such as with and without "?ref=") are one article."""
