"""Requests to a site or feed before it is added: how it can be followed, its format, its newest entry's article."""
