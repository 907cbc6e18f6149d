"""Lessons in the store: judging them by fetched pages, and the list of the lessons of all sites."""
