"""A page's metadata: title, authors (a byline is cleaned in `bylines.py`), dates, images, rights."""
