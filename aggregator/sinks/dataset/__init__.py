"""A dataset in a folder: its selection of articles, its files, the manifest and the card."""
