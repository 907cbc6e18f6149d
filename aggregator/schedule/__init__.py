"""When feeds, pages and hosts are requested next. Why a host is backed off is in `due_times.py`."""
