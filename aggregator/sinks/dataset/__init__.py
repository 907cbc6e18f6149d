"""A dataset in a folder: which articles, their files, the manifest and the card."""
