"""Decides which entries are kept and which are skipped, by the operator's rules."""
