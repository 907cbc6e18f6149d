"""The configuration: its keys, loading, editing, and the records that other modules get from it."""
