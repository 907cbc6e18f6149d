"""Lessons from sites about their addresses: that two forms of an address are one article there."""
