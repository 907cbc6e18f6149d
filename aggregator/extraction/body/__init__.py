"""From a page's tree to its article's text: simplify, cut into blocks, let extractors vote, choose, write markdown.

A block is a paragraph, heading, list entry or table row. Its box is the element around its paragraph, list or table.
Three extractors read the same page; each votes for the blocks that its text contains. Most functions take the list of
all blocks of a page and the indices of the blocks that are chosen so far.
"""
