"""Lessons in the store: pages that prove or disprove them, and the list of the lessons of all sites."""
