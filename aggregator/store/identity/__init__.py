"""The identity of articles in the tables: addresses, evidence, aliases, lessons, decisions."""
