"""What a page says about its article: title, authors, dates, images, rights."""
