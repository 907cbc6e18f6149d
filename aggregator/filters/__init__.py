"""Which entries are kept and which are skipped: the operator's rules, and the decision by them."""
