"""Sources without a feed, read as feeds: lists of links in HTML pages, sitemaps and their indexes."""
