"""The corpus: recording, reading, erasing, publishing."""
