"""When to ask again: feeds, pages and hosts."""
