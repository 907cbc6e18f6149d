"""What a page states about its article: title, authors (a byline is cleaned in `bylines.py`), dates, images, rights."""
