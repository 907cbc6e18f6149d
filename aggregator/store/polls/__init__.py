"""Records polls: a poll becomes rows in `record.py`; `plan.py` decides which rows."""
