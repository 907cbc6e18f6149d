"""The base of all queries: tables, dialects, transactions."""
