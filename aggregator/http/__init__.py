"""One polite request with limits: connections, redirects, content codings, robots.txt.

`content_coding.py` has the gzip bomb limit. `netguard.py` checks the IP addresses that a request connects to.
"""
