"""Which article an address means, as the tables say it."""
