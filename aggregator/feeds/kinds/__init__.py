"""Reads sources that are no feeds as if they were: lists of links in HTML pages, sitemaps and their indexes."""
