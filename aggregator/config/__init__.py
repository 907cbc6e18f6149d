"""The configuration: keys, loading, editing, and what the parts are given of it."""
