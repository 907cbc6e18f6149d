"""The tables about the identity of articles: addresses, evidence, aliases, lessons, decisions."""
