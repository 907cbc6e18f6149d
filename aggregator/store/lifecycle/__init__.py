"""Opens, upgrades and copies a store; locks, and removal of erased bytes."""
