"""Records polls. A poll with entries becomes rows in `record.py`, one without entries in `history.py`."""
