"""One polite, bounded request: connections, redirects, codings, robots.txt.

`content_coding.py` has the gzip bomb limit, `netguard.py` the check of addresses.
"""
