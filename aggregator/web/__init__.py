"""Status page, API and metrics over HTTP. They read the store, and change only when a feed is due."""
