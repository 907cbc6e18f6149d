"""Which article an address means: keys, publisher rules, evidence, near duplicates. Pure."""
