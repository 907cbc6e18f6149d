"""From a page's tree to its article's text: simplify, cut into blocks, let extractors vote, choose, write markdown."""
