"""The outcome of polls, recorded."""
