"""One module for each version, oldest first; what is released is never edited."""
