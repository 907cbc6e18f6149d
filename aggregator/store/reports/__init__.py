"""Counts and traces, for people."""
