"""One polite, bounded request: connections, redirects, codings, robots.txt."""
