"""Due work: hosts (claims, leases, back-off), feeds, pages. Why a host is backed off: `schedule/due_times.py`."""
