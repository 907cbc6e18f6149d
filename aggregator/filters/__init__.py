"""Decides which entries of feeds are kept and which are skipped, by the operator's rules `keep` and `skip`."""
