"""The HTML pages for people, and the Atom stream; templates make both."""
