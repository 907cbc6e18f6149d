"""The outputs to which a daemon delivers each change of the corpus: files, an HTTP address, a program."""
