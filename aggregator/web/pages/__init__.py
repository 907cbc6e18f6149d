"""Pages for people and the Atom stream, made of templates."""
