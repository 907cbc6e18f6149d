"""A dataset in a folder: which articles it has, its files, its manifest and its card (`README.md`)."""
