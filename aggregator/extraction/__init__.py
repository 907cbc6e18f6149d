"""A page to its article: text, body, metadata, quality."""
