"""Outputs that follow the corpus by a cursor of their own: append to files, post, run a program."""
