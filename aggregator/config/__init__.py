"""The configuration: its keys, loading and editing it, and making the records of other modules from it."""
