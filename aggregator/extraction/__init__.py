"""From a page to its article: text, body, metadata, quality. A byline is cleaned in `metadata/bylines.py`.

The link to the next page of an article is found and checked in `pagination.py`. `visits/visit.py` fetches that page.
"""
