"""Records polls: a poll becomes rows in `record.py`, as `plan.py` has planned."""
