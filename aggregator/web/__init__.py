"""Status page, API and metrics over HTTP. They read the store; their only change is to make a feed due ("Poll now")."""
