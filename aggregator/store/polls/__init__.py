"""Records polls. `record.py` writes all that a poll may bring, `history.py` feed state, poll history and gaps."""
