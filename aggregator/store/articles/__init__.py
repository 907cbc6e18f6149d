"""The articles in the store: recording, reading, erasing, publishing."""
