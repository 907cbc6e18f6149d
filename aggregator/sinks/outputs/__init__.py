"""Outputs that follow the corpus, each by its own cursor: append to files, post to an address, run a program."""
