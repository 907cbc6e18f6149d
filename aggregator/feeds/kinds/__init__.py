"""Sources without a feed, read as one: lists of links in HTML pages, sitemaps and their indexes."""
