"""The times of the next requests to feeds, pages and hosts; why a host is backed off (`due_times.py`)."""
