"""Trial requests for `feeds discover`, `feeds add` and `feeds test`: ways to follow a site, and a preview of a feed."""
