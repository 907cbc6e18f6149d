"""The work at one claimed host: poll its feeds, collect its pages."""
