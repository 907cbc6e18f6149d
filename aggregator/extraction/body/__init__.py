"""A page's tree to the text of its article: simplify, cut into blocks, let extractors vote, choose, write markdown."""
