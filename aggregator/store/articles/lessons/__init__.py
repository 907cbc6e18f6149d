"""What fetched pages say about lessons, and the lessons of all sites."""
