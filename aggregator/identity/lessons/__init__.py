"""Lessons about the addresses of a site. A lesson says that two forms of an address are one article at this site."""
