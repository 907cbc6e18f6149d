"""A site or feed that is asked once, before it is listed: what can be followed, what it is, what would be stored."""
