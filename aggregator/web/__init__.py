"""Status page, API and metrics over HTTP. Reads the store; the only thing it changes is when a feed is due."""
