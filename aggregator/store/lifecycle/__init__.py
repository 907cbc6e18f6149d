"""Opens, upgrades, copies and locks a store, and removes erased bytes from its files."""
